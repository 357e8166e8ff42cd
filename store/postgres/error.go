package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/belaybot/belay/store"
)

// Reason says what is wrong with a database.
type Reason string

// What can be wrong with a database.
const (
	BadURL      Reason = "url"         // the URL cannot be understood
	Unreachable Reason = "unreachable" // nobody answers, or the connection was lost
	Password    Reason = "password"    // the server does not take the user and password
	SignIn      Reason = "sign-in"     // no password could be had for the connection
	NoDatabase  Reason = "database"    // the server has no such database
	Denied      Reason = "denied"      // the user may not do what Belay must
	Standby     Reason = "standby"     // a copy that cannot be written
	ReadOnly    Reason = "read-only"   // a database or a user that may only read
	TooNew      Reason = "version"     // written by a newer Belay
	NoSchema    Reason = "schema"      // Belay's tables are not there and cannot be made
	Foreign     Reason = "foreign"     // the schema is somebody else's
	PlainText   Reason = "tls"         // the connection would not be verified
	Untrusted   Reason = "untrusted"   // the server's certificate is not trusted, or it offers none
	Full        Reason = "full"        // the server gives no more connections
	Unsafe      Reason = "unsafe"      // the server does not keep what it acknowledges
	OldServer   Reason = "server"      // too old a PostgreSQL
	Contended   Reason = "contended"   // too many updates of the same records at once
	Slow        Reason = "slow"        // the server did not finish in time
	DiskFull    Reason = "disk"        // the server has no room left
	Failed      Reason = "failed"      // anything else
)

// Error is every failure of the database. Its text never holds a password, nor what
// is in a record.
type Error struct {
	Place  string // user, host, port and database
	Reason Reason
	Err    error // detail for the operator; may be nil
}

// Error is one sentence: what is wrong with which database and what to do.
func (e *Error) Error() string {
	switch e.Reason {
	case BadURL:
		return "the address of the database is not like postgres://belay@db.example.com:5432/belay?sslmode=verify-full"
	case Unreachable:
		return fmt.Sprintf("the database %s cannot be reached; see that the server runs and that this machine may connect to it", e.Place) + e.detail()
	case Password:
		return fmt.Sprintf("the database %s does not take this user and password; correct store.postgres_url, or the server's pg_hba.conf", e.Place) + e.detail()
	case SignIn:
		return fmt.Sprintf("no token could be had to sign in to the database %s; see that the identity exists and that store.entra_sign_in is wanted", e.Place) + e.detail()
	case NoDatabase:
		return fmt.Sprintf("there is no database %s; an administrator makes it with CREATE DATABASE", e.Place)
	case Denied:
		return fmt.Sprintf("the user may not do what Belay must in the database %s; let it own its schema", e.Place) + e.detail()
	case Standby:
		return fmt.Sprintf("the database %s is a standby, which cannot be written; give the address of the primary, or of all servers", e.Place)
	case ReadOnly:
		return fmt.Sprintf("the database %s takes no writes; see default_transaction_read_only of the server and of the user", e.Place)
	case TooNew:
		return fmt.Sprintf("the database %s was written by a newer Belay (%v); start that version", e.Place, e.Err)
	case NoSchema:
		return fmt.Sprintf("Belay's schema is not in the database %s and the user may not make it; let an administrator run CREATE SCHEMA with AUTHORIZATION for Belay's user", e.Place)
	case Foreign:
		return fmt.Sprintf("the schema in the database %s holds other tables (%v); give Belay a database or a schema of its own", e.Place, e.Err)
	case PlainText:
		return fmt.Sprintf("the connection to the database %s would not be verified; say sslmode=verify-full in its address (plain connections are accepted on this machine only)", e.Place)
	case Untrusted:
		return fmt.Sprintf("the certificate of the database %s is not trusted or not for that name; give the authority with sslrootcert or endpoints.ca_file", e.Place) + e.detail()
	case Full:
		return fmt.Sprintf("the database %s gives no more connections; raise max_connections, or let fewer clients connect", e.Place)
	case Unsafe:
		return fmt.Sprintf("the database %s may lose what it has acknowledged (%v); switch that on in the server's configuration", e.Place, e.Err)
	case OldServer:
		return fmt.Sprintf("the database %s is PostgreSQL %v; Belay needs 14 or newer", e.Place, e.Err)
	case Contended:
		return fmt.Sprintf("too many updates of the same records at once in the database %s; nothing was written", e.Place)
	case Slow:
		return fmt.Sprintf("the database %s did not finish in time; nothing was written", e.Place)
	case DiskFull:
		return fmt.Sprintf("the server of the database %s has no room left; nothing was written", e.Place)
	default:
		return fmt.Sprintf("the database %s failed", e.Place) + e.detail()
	}
}

func (e *Error) detail() string {
	if e.Err == nil {
		return ""
	}
	return " (" + strings.Join(strings.Fields(e.Err.Error()), " ") + ")" // pgx has a line per server
}

// Unwrap returns the detail.
func (e *Error) Unwrap() error { return e.Err }

// Is lets a lost race, and a server that is too slow, pass for store.ErrBusy.
func (e *Error) Is(target error) bool {
	return (e.Reason == Contended || e.Reason == Slow) && target == store.ErrBusy //nolint:errorlint // as errors.Is asks
}

// fail gives a failure its reason. What has one keeps it.
func (s *Store) fail(err error) error { return failure(s.place, err) }

func failure(place string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &Error{Place: place, Reason: reason(err), Err: brief(err)}
}

// brief is the server's own sentence where there is one: what pgx puts around it names
// the same host again.
func brief(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server
	}
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err
	}
	err = errors.Unwrap(connect)
	var several interface{ Unwrap() []error }
	if !errors.As(err, &several) {
		return innermost(err)
	}
	first := innermost(several.Unwrap()[0])
	for _, other := range several.Unwrap() {
		if innermost(other).Error() != first.Error() {
			return err // which server says what
		}
	}
	return first
}

// innermost is an error of the network without the addresses around it.
func innermost(err error) error {
	var dial *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return errors.New(name.Err)
	case errors.As(err, &dial):
		return dial.Err
	}
	return err
}

func reason(err error) Reason {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return reasonOf(server.Code)
	}
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid) || errors.As(err, &certificate) ||
		strings.Contains(err.Error(), "refused TLS") {
		return Untrusted
	}
	var network net.Error
	var connect *pgconn.ConnectError
	if errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, context.DeadlineExceeded) || lostConnection(err) {
		return Unreachable
	}
	return Failed
}

// reasonOf reads the server's code (PostgreSQL's documentation, appendix A).
func reasonOf(code string) Reason {
	switch code {
	case "40001", "40P01", "55P03": // lost a race, a deadlock, waited too long for a lock
		return Contended
	case "57014":
		return Slow
	case "28P01", "28000":
		return Password
	case "3D000":
		return NoDatabase
	case "42501":
		return Denied
	case "25006":
		return ReadOnly
	case "53300":
		return Full
	case "53100", "53200":
		return DiskFull
	case "57P01", "57P02", "57P03", "25P03", "57P05": // stopping, crashed, starting; a session that was ended
		return Unreachable
	}
	if strings.HasPrefix(code, "08") {
		return Unreachable
	}
	return Failed
}

func contended(err error) bool { return hasReason(err, Contended) }

// isAway tells that the database may be back in a moment, and that nothing was kept.
func isAway(err error) bool {
	return !errors.Is(err, store.ErrUncertain) && (hasReason(err, Unreachable) || hasReason(err, Standby) || hasReason(err, ReadOnly))
}

func hasReason(err error, r Reason) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == r
}
