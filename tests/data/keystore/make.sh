#!/usr/bin/env bash
# Makes the key stores of this directory with keytool and OpenSSL: keys of no use but for tests.
# What the tests know of them: the password is `store-secret`, the key in key.jks has `key-secret`,
# and there is a chain of three in chain.p12.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
rm -f ./*.p12 ./*.jks ./*.pem
days=36500
keytool() { command keytool -J-Duser.language=en "$@" 2>/dev/null; }
key() { keytool -genkeypair -keyalg RSA -keysize 2048 -validity $days -storepass store-secret "$@"; }

key -alias rest -dname CN=rest.example -ext SAN=dns:rest.example,ip:127.0.0.1 -keystore modern.p12
command keytool -J-Dkeystore.pkcs12.legacy -importkeystore -srckeystore modern.p12 -srcstorepass store-secret \
  -destkeystore legacy.p12 -deststoretype pkcs12 -deststorepass store-secret 2>/dev/null
keytool -importkeystore -srckeystore modern.p12 -srcstorepass store-secret -destkeystore key.jks \
  -deststoretype jks -deststorepass store-secret -destkeypass key-secret -srcalias rest
keytool -exportcert -alias rest -keystore modern.p12 -storepass store-secret -rfc >rest.pem
for kind in p12 jks; do
  type=jks; [ $kind = jks ] || type=pkcs12
  keytool -importcert -noprompt -alias rest -file rest.pem -keystore trust.$kind -storetype $type \
    -storepass store-secret
done
# A chain of three, an elliptic key at its end.
key -alias root -dname CN=Root -ext bc:c=ca:true -keystore root.p12
key -alias middle -dname CN=Middle -keystore middle.p12
keytool -certreq -alias middle -keystore middle.p12 -storepass store-secret |
  keytool -gencert -alias root -keystore root.p12 -storepass store-secret -ext bc:c=ca:true -validity $days -rfc >middle.pem
keytool -exportcert -alias root -keystore root.p12 -storepass store-secret -rfc >root.pem
cat root.pem middle.pem >both.pem
keytool -importcert -noprompt -alias middle -keystore middle.p12 -storepass store-secret -file both.pem
keytool -genkeypair -keyalg EC -groupname secp256r1 -validity $days -storepass store-secret -alias leaf \
  -dname CN=leaf.example -keystore chain.p12
keytool -certreq -alias leaf -keystore chain.p12 -storepass store-secret |
  keytool -gencert -alias middle -keystore middle.p12 -storepass store-secret -ext SAN=dns:leaf.example -validity $days -rfc >leaf.pem
cat leaf.pem middle.pem root.pem >all.pem
keytool -importcert -noprompt -alias leaf -keystore chain.p12 -storepass store-secret -file all.pem
# As OpenSSL 3 writes one.
openssl pkcs12 -in modern.p12 -passin pass:store-secret -nodes -out plain.pem
openssl pkcs12 -export -in plain.pem -out openssl.p12 -passout pass:store-secret
openssl pkcs12 -export -in plain.pem -nokeys -out openssl-certificates.p12 -passout pass:store-secret
rm -f middle.p12 root.p12 both.pem all.pem leaf.pem middle.pem plain.pem root.pem
