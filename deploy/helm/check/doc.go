// Package check renders the Helm chart of Belay and holds it against Kubernetes' types and
// against Belay itself. It has a module of its own, so that Helm and Kubernetes are no part
// of the product.
package check
