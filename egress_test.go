package freehold_test

import (
	"go/ast"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// outgoing are the names by which a package can open an outgoing connection, or come by a value that can, by package. Whoever names none of them, and imports no other package that
// hands one out, opens none. Names that begin with these count too.
var outgoing = map[string]*regexp.Regexp{
	"net":                        regexp.MustCompile(`^(Dial|Lookup|Resolver|DefaultResolver|ListenPacket|ListenUDP|ListenIP|ListenMulticast|FileConn|FilePacketConn)`),
	"net/http":                   regexp.MustCompile(`^(Get|Head|Post|PostForm|Client|DefaultClient|Transport|DefaultTransport|RoundTripper|Proxy|NewClient)$`),
	"crypto/tls":                 regexp.MustCompile(`^(Dial|Client$)`),
	"syscall":                    regexp.MustCompile(`^(Connect|Socket|Send|RawSyscall|Syscall|RawConn|ForkExec|StartProcess|Exec$)`),
	"golang.org/x/sys/unix":      regexp.MustCompile(`^(Connect|Socket|Send|RawSyscall|Syscall|IoctlSocket)`),
	"golang.org/x/sys/windows":   regexp.MustCompile(`^(Connect|Socket|WSA|Send)`),
	"os":                         regexp.MustCompile(`^StartProcess$`),
	"net/rpc":                    regexp.MustCompile(`.`),
	"net/smtp":                   regexp.MustCompile(`.`),
	"net/textproto":              regexp.MustCompile(`^(Dial|NewConn)`),
	"net/http/httputil":          regexp.MustCompile(`.`),
	"log/syslog":                 regexp.MustCompile(`.`),
	"net/http/httptrace":         regexp.MustCompile(`.`),
	"golang.org/x/net/proxy":     regexp.MustCompile(`.`),
	"golang.org/x/net/websocket": regexp.MustCompile(`.`),
}

// egressUses are the exceptions: "file: name" -> why it is no way out.
var egressUses = map[string]string{
	"kernels/level_amx_linux_amd64.go: golang.org/x/sys/unix.RawSyscall":   "arch_prctl, which asks for AMX",
	"engine/server/lock/landlock_linux.go: golang.org/x/sys/unix.Syscall":  "landlock and prctl, which take rights away",
	"engine/server/lock/landlock_linux.go: golang.org/x/sys/unix.Syscall6": "landlock_add_rule",
	"engine/server/lock/seccomp_linux.go: golang.org/x/sys/unix.Syscall":   "seccomp, which takes rights away",
	"engine/server/listen.go: net.DialUnix":                                "systemd's socket in the file system, which is told that the server is ready",
}

// One package can open an outgoing connection, models/egress; no other names anything that could, and no module that the program is made of imports the network.
func TestEgress(t *testing.T) {
	used, gate := map[string]bool{}, 0
	for _, s := range product(t) {
		names := map[string]string{} // local name -> import path
		for _, i := range s.file.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			local := p[strings.LastIndex(p, "/")+1:]
			if i.Name != nil {
				local = i.Name.Name
			}
			if outgoing[p] != nil && local == "." {
				t.Errorf("%s: import . %q hides what is used of it", s.at(i), p)
			}
			names[local] = p
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || outgoing[names[x.Name]] == nil || !outgoing[names[x.Name]].MatchString(sel.Sel.Name) {
				return true
			}
			key := s.path + ": " + names[x.Name] + "." + sel.Sel.Name
			used[key] = true
			switch {
			case strings.HasPrefix(s.path, "models/egress/"):
				gate++
			case egressUses[key] == "":
				t.Errorf("%s uses %s.%s; outgoing connections are opened in models/egress alone", s.at(sel), names[x.Name], sel.Sel.Name)
			}
			return true
		})
	}
	if gate == 0 {
		t.Error("models/egress names nothing that opens a connection; the walk is wrong")
	}
	for key := range egressUses {
		if !used[key] {
			t.Errorf("egressUses lists %q, which is no longer used", key)
		}
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{end}}", "./cmd/freehold").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := 0
	for l := range strings.Lines(string(out)) {
		f := strings.Fields(l)
		if len(f) == 0 || strings.HasPrefix(f[0], module) {
			continue
		}
		modules++
		for _, p := range f[1:] {
			if p == "net" || strings.HasPrefix(p, "net/") && p != "net/url" && p != "net/netip" || p == "crypto/tls" || p == "os/exec" || p == "plugin" || p == "C" {
				t.Errorf("%s, of which the program is made, imports %s", f[0], p)
			}
		}
	}
	if modules < 3 {
		t.Errorf("the program is made of %d packages of others; the list is wrong", modules)
	}
}

// Everything that reaches the gate is checked by it: its client is nobody else's.
func TestEgressGate(t *testing.T) {
	for _, s := range product(t) {
		if ok, _ := filepath.Match("models/egress/*.go", s.path); !ok {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || f.Type.Results == nil {
				return true
			}
			for _, r := range f.Type.Results.List {
				ast.Inspect(r.Type, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok && slices.Contains([]string{"Client", "Transport", "RoundTripper", "Conn", "Dialer"}, id.Name) {
						t.Errorf("%s: %s hands out a %s, with which connections are opened past the gate", s.at(f), f.Name.Name, id.Name)
					}
					return true
				})
			}
			return true
		})
	}
}
