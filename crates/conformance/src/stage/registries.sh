# Run as `bash registries DIR` in a machine: a plain registry on 127.0.0.1:5000, one with TLS on registry.test:5443.
set -e
dir=$1/registry
mkdir -p "$dir/plain" "$dir/tls" /etc/docker/certs.d/registry.test:5443
echo '127.0.0.1 registry.test' >>/etc/hosts
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=registry.test \
  -addext 'subjectAltName=DNS:registry.test' -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
cp "$dir/cert.pem" /etc/docker/certs.d/registry.test:5443/ca.crt
cat >"$dir/plain.yml" <<X
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $dir/store}, delete: {enabled: true}}
http: {addr: "127.0.0.1:5000"}
X
cat >"$dir/tls.yml" <<X
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $dir/store}}
http: {addr: "127.0.0.1:5443", tls: {certificate: $dir/cert.pem, key: $dir/key.pem}}
X
for r in plain tls; do
  setsid docker-registry serve "$dir/$r.yml" >"$dir/$r.log" 2>&1 </dev/null &
done
for url in http://127.0.0.1:5000/v2/ https://registry.test:5443/v2/; do
  for i in $(seq 100); do
    curl -s -o /dev/null --cacert "$dir/cert.pem" $url && continue 2
    sleep 0.1
  done
  echo "no registry at $url" >&2
  cat "$dir"/*.log >&2
  exit 1
done
