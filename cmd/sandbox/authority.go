package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is a certificate authority made in the data directory. It vouches for
// loopback only; the product trusts it through endpoints.ca_file.
type authority struct {
	dir  string
	leaf tls.Certificate
}

func (a *authority) path() string { return filepath.Join(a.dir, "ca.pem") }

func (a *authority) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}
}

// loadAuthority reads the authority's leaf, or makes both anew.
func loadAuthority(dir string) (*authority, error) {
	a := &authority{dir: dir}
	chain, key := filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")
	leaf, err := tls.LoadX509KeyPair(chain, key)
	if err == nil && time.Now().Before(leaf.Leaf.NotAfter) {
		a.leaf = leaf
		return a, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the sandbox's certificate is damaged; choose another --data: %w", err)
	}
	if err := a.make(chain, key); err != nil {
		return nil, fmt.Errorf("the sandbox's certificates cannot be made: %w", err)
	}
	a.leaf, err = tls.LoadX509KeyPair(chain, key)
	return a, err
}

func (a *authority) make(chain, keyFile string) error {
	now := time.Now()
	root := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Belay sandbox (loopback only)"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}}}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano() + 1), Subject: pkix.Name{CommonName: "Belay sandbox"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	// The root's key is not kept: nobody can make it vouch for anything else.
	if err := os.WriteFile(a.path(), block("CERTIFICATE", rootDER), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, block("PRIVATE KEY", keyDER), 0o600); err != nil {
		return err
	}
	return os.WriteFile(chain, block("CERTIFICATE", leafDER), 0o600)
}
