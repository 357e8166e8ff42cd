package doctor

import (
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// held is the credential of one section of the configuration.
type held struct{ section, token, certificate, secret string }

func (v *visit) held() []held {
	e, t := v.cfg.Entra, v.cfg.Teams
	all := []held{{"entra", e.FederatedTokenFile, e.CertificateFile, string(e.ClientSecret)}}
	if hasTeams(v.cfg) && v.cfg.OwnBot() {
		all = append(all, held{"teams", t.FederatedTokenFile, t.CertificateFile, string(t.ClientSecret)})
	}
	return all
}

func (v *visit) credentialKind() says {
	var all []says
	for _, h := range v.held() {
		switch {
		case h.secret != "":
			all = append(all, warn("a client secret ("+h.section+".client_secret): whoever copies it is Belay",
				"Use workload identity federation ("+h.section+".federated_token_file), or else a certificate ("+h.section+".certificate_file)."))
		case h.certificate != "":
			all = append(all, ok("a certificate"))
		case h.token != "":
			all = append(all, ok("workload identity federation"))
		default:
			all = append(all, ok("a managed identity"))
		}
	}
	return worst(all)
}

func (v *visit) certificate() says {
	var all []says
	for _, h := range v.held() {
		if h.certificate == "" {
			continue
		}
		pem, err := os.ReadFile(h.certificate)
		if err != nil {
			all = append(all, fault(h.section+".certificate_file cannot be read", "Let the account of Belay read it."))
			continue
		}
		certs, _, err := azidentity.ParseCertificates(pem, nil)
		if err != nil || len(certs) == 0 {
			all = append(all, fault(h.section+".certificate_file holds no certificate with its key", "Put both into it, in PEM."))
			continue
		}
		all = append(all, v.ending("that of "+h.section+".certificate_file", certs[0].NotAfter,
			"Make a new one, add it to the registration (docs/install.md, step 2), and put it into the file."))
	}
	return worst(all)
}

func (v *visit) federated() says {
	const mend = "See that the platform projects the token and renews it; in Kubernetes the volume serviceAccountToken, with the audience api://AzureADTokenExchange."
	var all []says
	for _, h := range v.held() {
		if h.token == "" {
			continue
		}
		text, err := os.ReadFile(h.token)
		if err != nil {
			all = append(all, fault(h.section+".federated_token_file cannot be read", mend))
			continue
		}
		c, err := read(strings.TrimSpace(string(text)))
		switch {
		case err != nil || c.ExpiresAt == nil:
			all = append(all, unsure("when that of "+h.section+".federated_token_file ends cannot be read", mend))
		case !c.ExpiresAt.After(v.now()):
			all = append(all, fault("that of "+h.section+".federated_token_file has ended, and nobody has renewed it", mend))
		default:
			all = append(all, ok("it is there, and good"))
		}
	}
	return worst(all)
}
