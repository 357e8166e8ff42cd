package keyvault

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// keyID is a key's address: https://NAME.vault.azure.net/keys/KEY, with the version or without.
type keyID struct {
	vault   string // base URL
	name    string
	version string // empty: the newest
}

func (k keyID) String() string {
	s := k.vault + "/keys/" + k.name
	if k.version != "" {
		s += "/" + k.version
	}
	return s
}

var (
	vaultName  = regexp.MustCompile(`^[a-zA-Z0-9-]{3,24}$`)
	keyName    = regexp.MustCompile(`^[a-zA-Z0-9-]{1,127}$`)
	keyVersion = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// clouds are what follows a vault's name in each of Microsoft's clouds, by the host that one
// signs in at: of vaults, and of managed HSMs.
var clouds = map[string][]string{
	"login.microsoftonline.com":        {".vault.azure.net", ".managedhsm.azure.net"},
	"login.microsoftonline.us":         {".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net"},
	"login.partner.microsoftonline.cn": {".vault.azure.cn", ".managedhsm.azure.cn"},
}

// Check says what is wrong with the id of a key, in the cloud that one signs in to at the
// URL login. Loopback is accepted as a vault, for trying out.
func Check(key, login string) error {
	_, err := parse(key, login)
	return err
}

func parse(key, login string) (keyID, error) {
	u, err := url.Parse(key)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || u.RawPath != "" {
		return keyID{}, errors.New("must be the id of a key, such as https://NAME.vault.azure.net/keys/KEY")
	}
	if !loopback(u.Hostname()) {
		if err := checkHost(u.Host, login); err != nil {
			return keyID{}, err
		}
	}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	k := keyID{vault: "https://" + strings.ToLower(u.Host)}
	switch {
	case len(parts) < 2 || len(parts) > 3 || parts[0] != "keys" || !keyName.MatchString(parts[1]):
		return keyID{}, errors.New("must name a key of the vault: …/keys/KEY or …/keys/KEY/VERSION")
	case len(parts) == 3 && !keyVersion.MatchString(parts[2]):
		return keyID{}, errors.New("must end with a version of 32 hexadecimal digits, or without one")
	case len(parts) == 3:
		k.version = parts[2]
	}
	k.name = parts[1]
	return k, nil
}

func checkHost(host, login string) error {
	at, err := url.Parse(login)
	if err != nil {
		return errors.New("cannot be checked without endpoints.login")
	}
	suffixes := clouds[strings.ToLower(at.Host)]
	for _, suffix := range suffixes {
		if name, ok := strings.CutSuffix(strings.ToLower(host), suffix); ok && vaultName.MatchString(name) {
			return nil
		}
	}
	if len(suffixes) == 0 {
		return fmt.Errorf("must be on loopback: %s is no sign-in host of a cloud that has vaults", at.Host)
	}
	return fmt.Errorf("must be in a vault of the cloud that endpoints.login belongs to: https://NAME%s", strings.Join(suffixes, " or https://NAME"))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
