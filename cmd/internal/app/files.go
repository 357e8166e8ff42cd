package app

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

// authorities are the system's certificate authorities and those in pem.
func authorities(pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a container without a pool of its own
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("holds no certificate in PEM")
	}
	return pool, nil
}

// The checks of a file's content. Their errors repeat nothing of it.

func checkAuthorities(pem []byte) error {
	_, err := authorities(pem)
	return err
}

func checkCertificate(pem []byte) error {
	certs, key, err := azidentity.ParseCertificates(pem, nil)
	if err == nil {
		_, err = confidential.NewCredFromCert(certs, key)
	}
	if err != nil {
		return errors.New("must hold a certificate and its unencrypted RSA private key, in PEM")
	}
	return nil
}

func checkToken(token []byte) error {
	if len(bytes.TrimSpace(token)) == 0 {
		return errors.New("the file is empty")
	}
	return nil
}

// file checks a file that the configuration names, if it does: what would stop
// the start is to be found by --check.
func (v *validator) file(path, name string, check func([]byte) error) {
	if name == "" {
		return
	}
	text, err := os.ReadFile(name)
	if err != nil {
		v.fault(path, "cannot be read: "+reason(err))
		return
	}
	if err := check(text); err != nil {
		v.fault(path, err.Error())
	}
}

// reason is the operating system's reason, without the file's name.
func reason(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}
