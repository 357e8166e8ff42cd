package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/belaybot/belay/store"
)

// Open connects to the database and makes Belay's schema in it when it is not there.
// Every error is an *Error.
func Open(ctx context.Context, opt Options) (*Store, error) {
	opt = opt.filled()
	config, err := configure(opt)
	if err != nil {
		return nil, err
	}
	s := &Store{opt: opt, place: placeOf(&config.ConnConfig.Config), hints: newHints(opt.Schema, opt.Hint)}
	s.life, s.end = context.WithCancel(context.Background())
	// One connection is left for what belongs to neither: the fate of a commit, and health.
	forViews := int64(max(1, opt.Connections/3))
	s.writers = int64(opt.Connections) - 1 - forViews
	s.updates, s.views = semaphore.NewWeighted(s.writers), semaphore.NewWeighted(forViews)
	config.ShouldPing = s.lives
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		s.end()
		return nil, s.fail(err)
	}
	if err := s.prepare(ctx); err != nil {
		s.end()
		s.pool.Close()
		return nil, err
	}
	s.work.Go(s.sweep)
	if len(opt.Hint) > 0 {
		s.work.Go(s.tell)
		s.work.Go(s.listen)
	}
	return s, nil
}

func (o Options) filled() Options {
	if o.Schema == "" {
		o.Schema = "belay"
	}
	if o.Connections == 0 {
		o.Connections = 12
	}
	o.Connections = max(o.Connections, 3)
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 4096
	}
	if o.limits == (limits{}) {
		o.limits = usual
	}
	return o
}

// Check tells what is wrong with the address of a database, without connecting to it.
func Check(address string) error {
	_, err := configure(Options{URL: address}.filled())
	return err
}

// Probe connects as Open does and looks at the schema, or whether it could be made, and at what the
// user may do. It changes nothing. Errors as Open. What look, which may be nil, says of a schema
// that is there is given back as it is.
func Probe(ctx context.Context, opt Options, look func(store.Tx) error) error {
	config, err := configure(opt.filled())
	if err != nil {
		return err
	}
	s := &Store{opt: opt.filled(), place: placeOf(&config.ConnConfig.Config)}
	if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
		return s.fail(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return s.fail(err)
	}
	switch err = s.checkVersion(ctx, conn); {
	case errors.Is(err, errNoSchema):
		err = s.checkRoom(ctx, conn)
	case err == nil:
		if err = s.checkRights(ctx, conn); err == nil && look != nil {
			err = look(&txn{ctx: ctx, s: s, conn: conn, begun: true})
		}
	}
	_ = conn.Close(ctx) // it is gone either way
	return err
}

// Place is the database of an address as errors name it: without a password.
func Place(address string) string {
	config, err := configure(Options{URL: address}.filled())
	if err != nil {
		return "(unknown)"
	}
	return placeOf(&config.ConnConfig.Config)
}

func placeOf(c *pgconn.Config) string {
	host := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	for _, f := range c.Fallbacks {
		if other := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !strings.Contains(host, other) {
			host += "," + other
		}
	}
	return fmt.Sprintf("%q of %q at %s", c.Database, c.User, host)
}

// configure reads the address. What it adds to it no parameter of the address can undo.
func configure(opt Options) (*pgxpool.Config, error) {
	u, err := url.Parse(opt.URL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, &Error{Reason: BadURL} // url.Parse repeats the password
	}
	q := u.Query()
	if q.Get("sslmode") == "" && !allLocal(u.Host) {
		q.Set("sslmode", "verify-full")
	}
	u.RawQuery = q.Encode()
	config, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, &Error{Reason: BadURL}
	}
	c := config.ConnConfig
	place := placeOf(&c.Config)
	for _, to := range append([]*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}, c.Fallbacks...) {
		if !local(to.Host) && (to.TLSConfig == nil || to.TLSConfig.InsecureSkipVerify || to.TLSConfig.ServerName == "") {
			return nil, &Error{Place: place, Reason: PlainText}
		}
		if to.TLSConfig != nil && to.TLSConfig.RootCAs == nil {
			to.TLSConfig.RootCAs = opt.RootCAs
		}
	}
	for name, value := range map[string]string{
		"application_name":                    "belay",
		"default_transaction_isolation":       "read committed", // of what is not a transaction of the port
		"search_path":                         "",
		"statement_timeout":                   milliseconds(opt.limits.statement),
		"lock_timeout":                        milliseconds(opt.limits.lock),
		"idle_in_transaction_session_timeout": milliseconds(opt.limits.idle),
		// A sequential scan marks the whole table as read, and every update then conflicts.
		"enable_seqscan":              "off",
		"enable_bitmapscan":           "off",
		"jit":                         "off", // or one that cannot be avoided costs so much on paper that it is compiled first, for half a second
		"DateStyle":                   "ISO",
		"standard_conforming_strings": "on",
	} {
		c.RuntimeParams[name] = value
	}
	c.ConnectTimeout = opt.limits.connect
	all := &servers{resolved: map[string][]string{}}
	c.LookupFunc, c.DialFunc = all.lookup, dialer(opt.limits, len(c.Fallbacks) > 0).DialContext
	c.DefaultQueryExecMode, c.StatementCacheCapacity = pgx.QueryExecModeCacheStatement, 512
	c.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		err := examine(ctx, conn, place)
		if err == nil {
			all.found(conn.Conn().RemoteAddr())
		}
		return err
	}
	c.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			conn.CustomData()[warned] = true
		}
	}
	config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		all.order(c)
		if opt.Password == nil {
			return nil
		}
		password, err := opt.Password(ctx)
		if err != nil {
			return &Error{Place: place, Reason: SignIn, Err: err}
		}
		c.Password = password
		return nil
	}
	config.MaxConns, config.MinConns = int32(opt.Connections), 0
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = 30*time.Minute, 5*time.Minute
	config.MaxConnIdleTime = 5 * time.Minute
	config.HealthCheckPeriod = 30 * time.Second
	return config, nil
}

// allLocal tells whether every host of an address is local; one without a host is a socket, or
// is looked at when it has been read.
func allLocal(hosts string) bool {
	for at := range strings.SplitSeq(hosts, ",") {
		host := (&url.URL{Host: at}).Hostname()
		if host != "" && !local(host) {
			return false
		}
	}
	return true
}

// local tells whether a connection does not leave this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || ip != nil && ip.IsLoopback()
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// oldest is the oldest server that has what is used here, as it numbers itself.
const oldest = 140000

// examine looks at every new connection: is this a server that may be written, and that
// keeps what it acknowledges?
func examine(ctx context.Context, conn *pgconn.PgConn, place string) error {
	r := conn.ExecParams(ctx, `select pg_is_in_recovery(), current_setting('transaction_read_only'), current_setting('fsync'),
		current_setting('full_page_writes'), current_setting('server_version_num'), current_setting('server_version'), current_setting('synchronous_commit')`,
		nil, nil, nil, nil).Read()
	if r.Err != nil {
		return r.Err
	}
	if len(r.Rows) != 1 {
		return errors.New("no answer")
	}
	is := func(column int, value string) bool { return string(r.Rows[0][column]) == value }
	version, err := strconv.Atoi(string(r.Rows[0][4]))
	switch {
	case err != nil || version < oldest:
		return &Error{Place: place, Reason: OldServer, Err: errors.New(string(r.Rows[0][5]))}
	case is(0, "t"):
		return &Error{Place: place, Reason: Standby}
	case is(1, "on"):
		return &Error{Place: place, Reason: ReadOnly}
	case is(2, "off"):
		return &Error{Place: place, Reason: Unsafe, Err: errors.New("fsync is off")}
	case is(3, "off"):
		return &Error{Place: place, Reason: Unsafe, Err: errors.New("full_page_writes is off")}
	case is(6, "off"), is(6, "local"), is(6, "remote_write"):
		if _, err := conn.Exec(ctx, "set synchronous_commit = on").ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

// connect makes a connection outside of the pool.
func (s *Store) connect(ctx context.Context) (*pgx.Conn, error) {
	config := s.pool.Config()
	if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
		return nil, s.fail(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, s.fail(err)
	}
	return conn, nil
}

// lostConnection tells that the server closed the connection, or this side did after a
// time-out.
func lostConnection(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "closed pool")
}
