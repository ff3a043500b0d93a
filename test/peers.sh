#!/usr/bin/env bash
# Installs the real peers that the interop tests talk to, from Debian, where one is missing. None of them is started: each
# test runs its own, with its own configuration, in its own directory.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

# what the tests run, and the package that has it
peers=(
	postfix:postfix
	smtp-source:postfix
	dovecot:dovecot-core
	/usr/lib/dovecot/imap:dovecot-imapd
	/usr/lib/dovecot/lmtp:dovecot-lmtpd
	/usr/lib/dovecot/managesieve:dovecot-managesieved
	/usr/lib/dovecot/pop3:dovecot-pop3d
	swaks:swaks
	opendkim-testmsg:opendkim-tools
	postsrsd:postsrsd
	nsd:nsd
	perl:perl
	python3:python3
	systemd-analyze:systemd
	unbound:unbound
	rspamd:rspamd
	redis-server:redis-server
	postgrey:postgrey
	opendkim:opendkim
	clamav-milter:clamav-milter
	clamd:clamav-daemon
	spamass-milter:spamass-milter
	spamd:spamd
	spamc:spamc
	ip:iproute2
	nginx:nginx-light
	/usr/lib/nginx/modules/ngx_stream_module.so:libnginx-mod-stream
	haproxy:haproxy
	openssl:openssl
)

missing=()
for p in "${peers[@]}"; do
	command -v "${p%:*}" >/dev/null || missing+=("${p#*:}")
done
[ -e /usr/lib/postfix/postfix-pcre.so ] || missing+=(postfix-pcre)
perl -MMail::DKIM::Verifier -e1 2>/dev/null || missing+=(libmail-dkim-perl)
perl -MMail::SRS -e1 2>/dev/null || missing+=(libmail-srs-perl)
/usr/bin/python3 -c 'import spf, dns.resolver' 2>/dev/null || missing+=(python3-spf python3-dnspython)
perl -MNet::DNS -e1 2>/dev/null || missing+=(libnet-dns-perl)
perl -MMail::SPF -e1 2>/dev/null || missing+=(libmail-spf-perl)
/usr/bin/python3 -c 'import authres' 2>/dev/null || missing+=(python3-authres)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "peers: missing: ${missing[*]}; install them, or run this as root on Debian" >&2
	exit 1
fi

# Debian starts what it installs unless a policy says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
