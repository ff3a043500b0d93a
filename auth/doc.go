// SPDX-License-Identifier: MIT

// Package auth answers whether a login and a password belong together, from a file in the format of Dovecot's passwd-file.
//
// A line is `user:password:uid:gid:gecos:home:shell:extra` as in passwd(5), of which the first two count here. The password
// is `{SCHEME}hash`, SCHEME being Dovecot's name for it, with .HEX or .B64 behind it if the hash is not encoded the
// scheme's usual way; without a scheme it is CRYPT. SASL itself (PLAIN of RFC 4616, LOGIN) is spoken by smtpd; this package
// sees a name and a password.
//
// What a stranger may do with it is bounded. Checks are made to cost (Dovecot's ARGON2ID takes 64 MiB and 0.2 s), so only
// a few run at a time and the others wait, for a while. A name that is not in the file costs as much as some name that is,
// always the same one, so that time does not tell who has an account. Passwords and hashes appear in no error.
package auth
