package page

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// The page is whole: what it names is served, and nothing comes from elsewhere or stands where its own policy forbids it.
func TestPage(t *testing.T) {
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	index := get("/")
	policy := index.Header().Get("Content-Security-Policy")
	if index.Code != http.StatusOK || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Fatalf("/: %d, policy %q", index.Code, policy)
	}
	if get("/none").Code != http.StatusNotFound {
		t.Error("/none is there")
	}
	named := regexp.MustCompile(`(?:src|href|from|import)[= ]"([^"#]+)"`)
	outside := regexp.MustCompile(`(?i)https?://|//[a-z]|\bstyle=|\bon[a-z]+="|javascript:|innerHTML|eval\(`)
	err := fs.WalkDir(embedded, "files", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(embedded, path)
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "")
		if strings.HasSuffix(path, ".js") {
			text = regexp.MustCompile(`(?m)//.*$`).ReplaceAllString(text, "") // comments
		}
		if bad := outside.FindString(text); bad != "" {
			t.Errorf("%s has %q", path, bad)
		}
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			name := strings.TrimPrefix(m[1], "./")
			if code := get("/" + name).Code; code != http.StatusOK {
				t.Errorf("%s names %s: %d", path, name, code)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
