package pimtest

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// Browser walks the sign-in pages as a person does, by reading and sending their
// forms. One Browser is one person's browser: it has its own cookies, which a
// test may share with the app through Client.
type Browser struct {
	Client       *http.Client // follows no redirects
	PasswordOnly bool         // choose "password only" where the page offers it
}

// NewBrowser is a browser without cookies.
func NewBrowser() (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &Browser{Client: &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// PageError is a page that tells the person of a refusal instead of going on.
type PageError struct {
	Status int
	Text   string
}

func (e *PageError) Error() string { return fmt.Sprintf("sign-in page %d: %s", e.Status, e.Text) }

// SignIn opens an authorization URL, chooses the user, approves on the phone,
// and returns the redirect to the app without following it; the redirect may
// carry an error instead of a code. A refusal that is only shown is a
// *PageError.
func (b *Browser) SignIn(ctx context.Context, authorizeURL, userID string) (*url.URL, error) {
	return b.walk(ctx, authorizeURL, func(f *form) (*form, error) {
		switch {
		case strings.HasSuffix(f.action, "/signin/user"):
			if !f.offers("user", userID) {
				return nil, fmt.Errorf("the page does not offer the user %s", userID)
			}
			return f.with("user", userID), nil
		case strings.HasSuffix(f.action, "/signin/mfa"):
			if b.PasswordOnly && f.offers("answer", "password") {
				return f.with("answer", "password"), nil
			}
			return f.with("answer", "approve"), nil
		}
		return nil, nil
	})
}

// Cancel opens an authorization URL and presses [Cancel] on the first page.
func (b *Browser) Cancel(ctx context.Context, authorizeURL string) (*url.URL, error) {
	return b.walk(ctx, authorizeURL, func(f *form) (*form, error) {
		if strings.HasSuffix(f.action, "/signin/cancel") {
			return f, nil
		}
		return nil, nil
	})
}

// walk fills and sends forms until the app is reached. choose says which form of
// a page to send, and how.
func (b *Browser) walk(ctx context.Context, start string, choose func(*form) (*form, error)) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, start, nil)
	if err != nil {
		return nil, err
	}
	for range 10 {
		res, err := b.Client.Do(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return nil, err
		}
		if res.StatusCode >= 300 && res.StatusCode < 400 {
			return res.Location() // the pages themselves never redirect
		}
		forms, text, err := readPage(body)
		if err != nil {
			return nil, err
		}
		if res.StatusCode != http.StatusOK {
			return nil, &PageError{res.StatusCode, text}
		}
		if req, err = nextRequest(ctx, res.Request.URL, forms, choose); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the sign-in pages do not end")
}

func nextRequest(ctx context.Context, page *url.URL, forms []*form, choose func(*form) (*form, error)) (*http.Request, error) {
	for _, f := range forms {
		chosen, err := choose(f)
		if err != nil {
			return nil, err
		}
		if chosen == nil {
			continue
		}
		to, err := page.Parse(chosen.action)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(chosen.values.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req, nil
	}
	return nil, errors.New("the page has no form that leads on")
}

// form is a form of a page: its hidden values, and what may be chosen.
type form struct {
	action  string
	values  url.Values
	choices url.Values
}

func (f *form) offers(name, value string) bool {
	for _, v := range f.choices[name] {
		if v == value {
			return true
		}
	}
	return false
}

func (f *form) with(name, value string) *form {
	f.values.Set(name, value)
	return f
}

// readPage finds the forms of a page and its alert or, without one, its heading.
func readPage(page []byte) (forms []*form, text string, err error) {
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var alert, heading strings.Builder
	var into *strings.Builder
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", fmt.Errorf("the page cannot be read: %w", err)
		}
		switch el := tok.(type) {
		case xml.StartElement:
			attr := map[string]string{}
			for _, a := range el.Attr {
				attr[a.Name.Local] = a.Value
			}
			switch {
			case el.Name.Local == "form":
				forms = append(forms, &form{action: attr["action"], values: url.Values{}, choices: url.Values{}})
			case attr["name"] != "" && len(forms) > 0 && attr["type"] == "hidden":
				forms[len(forms)-1].values.Set(attr["name"], attr["value"])
			case attr["name"] != "" && len(forms) > 0:
				forms[len(forms)-1].choices.Add(attr["name"], attr["value"])
			case attr["role"] == "alert":
				into = &alert
			case el.Name.Local == "h1":
				into = &heading
			}
		case xml.EndElement:
			if el.Name.Local == "p" || el.Name.Local == "h1" {
				into = nil
			}
		case xml.CharData:
			if into != nil {
				into.Write(el)
			}
		}
	}
	if alert.Len() > 0 {
		return forms, alert.String(), nil
	}
	return forms, heading.String(), nil
}
