package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// nginxConfig is what the documentation of the Python server has nginx do: TLS
// in front, and WebSocket passed on. The verbs stand for the address of nginx,
// the certificate with its key, and the address of the server.
const nginxConfig = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  map $http_upgrade $connection_of_upgrade {
    ""      close;
    default Upgrade;
  }
  server {
    listen %s ssl;
    ssl_certificate %[2]s;
    ssl_certificate_key %[2]s;
    location / {
      proxy_pass http://%[3]s;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_of_upgrade;
    }
  }
}
`

// TestDropInNginx: browsers come by https and wss, through nginx.
func TestDropInNginx(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		unavailable(t, "it needs nginx, which is not installed; without CI `make setup` leaves that to you, as its package starts a service")
	}
	s := startDropIn(t, []string{"REDIS=none", "CORS=https://pages.example"}, "-a", "HERE", "--secret", "123")
	dir := t.TempDir()
	certificate := writeCertificate(t, dir)
	front := &server{addr: freeAddress(t), args: []string{"behind nginx"}}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, front.addr, certificate, s.addr), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, nil, nginx, "-p", dir, "-c", config, "-e", "stderr")
	eventually(t, "nginx listens", func() bool { return listening(front.addr) })
	url := "https://" + front.addr

	for _, k := range kinds[:2] { // Node's
		node := append([]string{need(t, "env"), "NODE_EXTRA_CA_CERTS=" + certificate}, k.command(t)...)
		d := startDriver(t, node)
		for _, tr := range transports {
			c := d.connect(t, k.name+"/"+tr.name, url, connectOptions{offer: tr.offer})
			c.expectConnect(t, "/")
			c.expectTransport(t, tr.last)
			c.emit(t, "/", "join", object{"room": "time"})
			c.call(t, "/", "leave", object{"room": "none"})
			message := `{"event":"update","room":"time","data":{"time":1},"secret":"123"}`
			if status, body := curl(t, message, "--cacert", certificate, "-d", "@-", "-H", asJSONType, url+"/emit"); status != "200" || body != "OK\n" {
				t.Fatalf("POST /emit is answered %s %q", status, body)
			}
			c.expect(t, "/", "update", object{"time": 1})
			c.emit(t, "/", "leave", object{"room": "time"})
			c.call(t, "/", "leave", object{"room": "none"})
		}
	}
	for origin, want := range map[string]string{"https://pages.example": "200", "https://other.example": "400"} {
		if status, body := curl(t, "", "--cacert", certificate, "-H", "Origin: "+origin, url+openSession); status != want {
			t.Errorf("origin %s gets %s %q, want %s", origin, status, body, want)
		}
	}
}

// writeCertificate makes a certificate for 127.0.0.1, with its key in the same
// file.
func writeCertificate(t testing.TB, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	template.IPAddresses = append(template.IPAddresses, []byte{127, 0, 0, 1})
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})...)
	path := filepath.Join(dir, "certificate.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
