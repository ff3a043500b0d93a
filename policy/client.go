// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"errors"
	"strings"

	"posthouse/reply"
)

// named are the words about the names of the client: those that DNS has for it, and the one that it gives itself.
func named(word string) judge {
	switch word {
	case "reject_unknown_client_hostname":
		return unknownClient
	case "reject_unknown_reverse_client_hostname":
		return unknownReverse
	case "reject_invalid_helo_hostname":
		return helo(func(name string) bool { return validHelo(name) }, reply.InvalidHelo)
	case "reject_non_fqdn_helo_hostname":
		return helo(func(name string) bool { return fqdn(name) }, reply.NonFQDNHelo)
	case "reject_unknown_helo_hostname":
		return unknownHelo
	}
	return nil
}

// unknownClient wants an address whose name has that address. It does not wait for a later refusal, as in Postfix: what
// access tables say of the client may hang on its name.
func unknownClient(_ context.Context, q *Question) Verdict {
	if q.Client.Name != "" {
		return Verdict{}
	}
	return refuse(reply.UnknownClient.With("%s, [%s]", reply.UnknownClient.Text, q.address()))
}

func unknownReverse(ctx context.Context, q *Question) Verdict {
	name, err := q.reverse(ctx)
	if name != "" {
		return Verdict{}
	}
	return refuse(reply.UnknownReverse.With("%s, [%s]", reply.UnknownReverse.Text, q.address()).Because(err))
}

func (q *Question) address() string { return q.Client.Addr.Addr().WithZone("").String() }

// reverse is the name that the owner of the client's address gives it, whether or not that name has the address: "" if there
// is none that could be a host name.
func (q *Question) reverse(ctx context.Context) (string, error) {
	if !q.Client.Addr.IsValid() {
		return "", nil
	}
	names, err := q.Facts.Names(ctx, q.Client)
	for _, name := range names {
		if name = strings.ToLower(strings.TrimSuffix(name, ".")); hostname(name) {
			return name, nil
		}
	}
	return "", err
}

// helo wants a name that is right in form, or an address literal that is.
func helo(right func(string) bool, refusal reply.Reply) judge {
	return func(_ context.Context, q *Question) Verdict {
		name := q.Client.HELO
		switch {
		case name == "" || right(name):
			return Verdict{}
		case strings.HasPrefix(name, "["):
			return refuse(reply.InvalidHelo)
		}
		return refuse(refusal)
	}
}

// unknownHelo wants a name with an address or an MX, which may be a null one: a host that sends need not take mail.
func unknownHelo(ctx context.Context, q *Question) Verdict {
	name := q.Client.HELO
	switch {
	case name == "" || literal(name):
		return Verdict{}
	case strings.HasPrefix(name, "["):
		return refuse(reply.InvalidHelo)
	}
	ok, err := q.Facts.Resolves(ctx, name)
	switch {
	case ok || errors.Is(err, ErrNullMX):
		return Verdict{}
	case err != nil:
		return Verdict{Action: DeferIfPermit, Reply: reply.UnknownHelo.Because(err)}
	}
	return refuse(reply.UnknownHelo)
}
