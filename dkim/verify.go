// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"posthouse/mail"
	"posthouse/resolver"
)

// Status of one signature, in the words of RFC 8601 2.7.1.
type Status string

const (
	Pass      Status = "pass"
	Fail      Status = "fail"
	PermError Status = "permerror" // it can never be verified: malformed, no key
	TempError Status = "temperror" // not now: the DNS or the body could not be read
)

// Result is what became of one signature. Without a signature there is no Result ("none").
type Result struct {
	Status    Status
	Domain    string // d=
	Selector  string // s=
	Identity  string // i=, or "@" and the domain
	Algorithm string // a=
	Bits      int    // with Pass: the size of the key
	Begins    string // of b=: what tells this signature from the others, 8 characters at least (RFC 6008 4)
	Signed    []string
	Testing   bool  // the key says t=y: nothing may be made of a failure
	Err       error // why it did not pass
}

// Lookup answers the text records of a name, as resolver.Resolver's TXT does, whose errors it understands.
type Lookup func(ctx context.Context, name string) ([]string, error)

// Verify checks the first signatures of a message, 5 at most, in their order. What a stranger could make expensive gets
// permerror at once.
func Verify(ctx context.Context, msg *mail.Message, lookup Lookup) []Result {
	claims := readClaims(msg.Header)
	if len(claims) == 0 {
		return nil
	}
	if err := tooMuch(msg, claims); err != nil {
		return allOf(claims, PermError, err)
	}
	keys := &keys{ctx: ctx, lookup: lookup, flags: make(map[string]string)}
	verified, err := verify(ctx, msg, keys)
	if err != nil {
		return allOf(claims, TempError, err)
	}
	out := make([]Result, 0, len(verified))
	for i, v := range verified[:min(len(verified), len(claims))] {
		r := claims[i].result(v, keys)
		r.Begins = begins(claims, i)
		out = append(out, r)
	}
	return out
}

func allOf(claims []claim, s Status, err error) []Result {
	out := make([]Result, 0, len(claims))
	for i, c := range claims {
		out = append(out, Result{
			Status: s, Domain: c.tags["d"], Selector: c.tags["s"], Algorithm: c.tags["a"], Begins: begins(claims, i), Err: err,
		})
	}
	return out
}

// verify runs the library over the message. It is never shown a read error, which would leave its goroutines waiting.
func verify(ctx context.Context, msg *mail.Message, k *keys) ([]*msgauth.Verification, error) {
	r, err := msg.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	mute := &muteReader{r: reader{ctx, r}}
	verified, err := msgauth.VerifyWithOptions(mute, &msgauth.VerifyOptions{LookupTXT: k.txt, MaxVerifications: maxSignatures})
	if errors.Is(err, msgauth.ErrTooManySignatures) {
		err = nil
	}
	return verified, errors.Join(err, mute.err)
}

// muteReader keeps an error to itself and ends instead.
type muteReader struct {
	r   io.Reader
	err error
}

func (m *muteReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		m.err, err = err, io.EOF
	}
	return n, err
}

// result joins what the signature says with what the library found.
func (c claim) result(v *msgauth.Verification, k *keys) Result {
	r := Result{
		Status: statusOf(v.Err), Domain: v.Domain, Selector: c.tags["s"], Identity: v.Identifier, Algorithm: c.tags["a"],
		Signed: v.HeaderKeys, Err: v.Err,
	}
	if r.Status == Pass {
		r.Bits = c.bits()
	}
	flags := ":" + k.flagsOf(c.tags["s"]+"._domainkey."+c.tags["d"]) + ":"
	r.Testing = strings.Contains(flags, ":y:")
	// t=s: the identity must be in the domain itself, not below it (RFC 6376 3.6.1). The library does not ask.
	_, host, _ := strings.Cut(r.Identity, "@")
	if r.Status == Pass && strings.Contains(flags, ":s:") && !strings.EqualFold(host, r.Domain) {
		r.Status, r.Err = PermError, errors.New("the key does not sign for subdomains")
	}
	return r
}

func statusOf(err error) Status {
	switch {
	case err == nil:
		return Pass
	case msgauth.IsTempFail(err):
		return TempError
	case msgauth.IsPermFail(err):
		return PermError
	}
	return Fail
}

// asDNSError is the only shape in which the library takes a temporary error.
func asDNSError(name string, err error) error {
	return &net.DNSError{
		Err: err.Error(), Name: name, IsTemporary: resolver.Temporary(err), IsNotFound: !resolver.Temporary(err),
	}
}
