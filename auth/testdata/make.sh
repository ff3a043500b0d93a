#!/bin/sh
# Prints a passwd-file with one user for each password scheme, by Dovecot's doveadm.
echo '# user:password:uid:gid:gecos:home:shell:extra'
for scheme in PLAIN CLEARTEXT CLEAR SHA SHA1 SHA256 SHA512 SSHA SSHA256 SSHA512 BLF-CRYPT CRYPT SHA256-CRYPT SHA512-CRYPT \
	MD5-CRYPT ARGON2I ARGON2ID SHA256.HEX SHA512.B64 SSHA.HEX SSHA512.hex SHA.HEX PLAIN.B64 PLAIN.HEX; do
	user=$(echo "$scheme" | tr A-Z. a-z-)
	echo "$user:$(doveadm pw -s "$scheme" -p "wachtwoord-$user")::::::"
done
