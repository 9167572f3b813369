package simulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

const quotes = "/simple/price?ids=bitcoin&vs_currencies=usd"

func (h *host) inject(t *testing.T, f Fault) {
	t.Helper()
	if err := h.Inject(f); err != nil {
		t.Fatal(err)
	}
}

// try asks on a connection of its own and gives what came, with the error of the call or of the body.
func (h *host) try(t *testing.T, target string) (status int, header http.Header, body []byte, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/api/v3"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, res.Header, body, err
}

func TestFaults(t *testing.T) {
	h := serve(t, Options{})
	_, right := h.get(t, quotes)
	gunzip := func(b []byte) []byte {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return plain
	}
	for _, c := range []struct {
		name  string
		fault Fault
		check func(status int, header http.Header, body []byte, err error) bool
	}{
		{"500", Fault{Status: 500}, func(status int, h http.Header, body []byte, err error) bool {
			return err == nil && status == 500 && strings.HasPrefix(h.Get("Content-Type"), "text/html") && bytes.Contains(body, []byte("<html>"))
		}},
		{"429", Fault{Status: 429, Header: map[string]string{"Retry-After": "7"}}, func(status int, h http.Header, body []byte, err error) bool {
			return err == nil && status == 429 && h.Get("Retry-After") == "7" && len(body) == 187
		}},
		{"429 without Retry-After", Fault{Status: 429, Header: map[string]string{"Retry-After": ""}}, func(status int, h http.Header, _ []byte, err error) bool {
			return err == nil && status == 429 && h.Values("Retry-After") == nil
		}},
		{"429 as text", Fault{Status: 429, Body: []byte("Throttled"), Header: map[string]string{"Content-Type": "text/plain"}}, func(status int, h http.Header, body []byte, err error) bool {
			return err == nil && status == 429 && string(body) == "Throttled" && h.Get("Content-Type") == "text/plain"
		}},
		{"401", Fault{Status: 401}, func(status int, _ http.Header, body []byte, err error) bool {
			return err == nil && status == 401 && string(body) == `{"error":"Unauthorized"}`
		}},
		{"empty", Fault{Body: []byte{}}, func(status int, h http.Header, body []byte, err error) bool {
			return err == nil && status == 200 && len(body) == 0 && h.Get("ETag") == ""
		}},
		{"garbage", Fault{Body: []byte("\x00{")}, func(status int, h http.Header, body []byte, err error) bool {
			return err == nil && status == 200 && string(body) == "\x00{" && strings.HasPrefix(h.Get("Content-Type"), "application/json")
		}},
		{"HTML", Fault{HTML: true}, func(status int, h http.Header, body []byte, err error) bool {
			return err == nil && status == 200 && strings.HasPrefix(h.Get("Content-Type"), "text/html") && bytes.Contains(body, []byte("Just a moment"))
		}},
		{"redirect", Fault{Redirect: "http://127.0.0.1:1/"}, func(status int, h http.Header, _ []byte, err error) bool {
			return err == nil && status == 302 && h.Get("Location") == "http://127.0.0.1:1/"
		}},
		{"find and replace", Fault{Find: `"usd":[0-9.]+`, Replace: `"usd":null`}, func(status int, _ http.Header, body []byte, err error) bool {
			return err == nil && status == 200 && string(body) == `{"bitcoin":{"usd":null}}`
		}},
		{"rewrite", Fault{Rewrite: bytes.ToUpper}, func(status int, _ http.Header, body []byte, err error) bool {
			return err == nil && status == 200 && bytes.Equal(body, bytes.ToUpper(right))
		}},
		{"pad", Fault{Pad: 1 << 20}, func(_ int, _ http.Header, body []byte, err error) bool {
			return err == nil && len(body) == len(right)+1<<20 && bytes.HasPrefix(body, right)
		}},
		{"gzip bomb", Fault{Pad: 16 << 20, Gzip: true}, func(_ int, h http.Header, body []byte, err error) bool {
			return err == nil && h.Get("Content-Encoding") == "gzip" && len(body) < 64<<10 && len(gunzip(body)) == len(right)+16<<20
		}},
		{"truncate", Fault{Truncate: 5}, func(status int, _ http.Header, body []byte, err error) bool {
			return err == nil && status == 200 && bytes.Equal(body, right[:5])
		}},
		{"reset", Fault{Reset: true}, func(_ int, _ http.Header, _ []byte, err error) bool {
			return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
		}},
		{"reset in the middle", Fault{Reset: true, Truncate: 5}, func(_ int, _ http.Header, body []byte, err error) bool {
			return err != nil && len(body) <= 5
		}},
		{"drip", Fault{Drip: true, Body: []byte("ab")}, func(_ int, _ http.Header, body []byte, err error) bool {
			return err == nil && string(body) == "ab"
		}},
		{"delay", Fault{Delay: 30 * time.Millisecond}, func(_ int, _ http.Header, body []byte, err error) bool {
			return err == nil && bytes.Equal(body, right)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.fault.Times = 1
			h.inject(t, c.fault)
			begin := time.Now()
			status, header, body, err := h.try(t, quotes)
			if !c.check(status, header, body, err) {
				t.Errorf("got %d %v %.200q %v", status, header, body, err)
			}
			if took, least := time.Since(begin), c.fault.Delay; took < least {
				t.Errorf("it took %v", took)
			}
			if _, _, body, err := h.try(t, quotes); err != nil || !bytes.Equal(body, right) {
				t.Errorf("afterwards: %.200q %v", body, err)
			}
		})
	}
}

func TestDripIsSlow(t *testing.T) {
	h := serve(t, Options{})
	h.inject(t, Fault{Drip: true})
	ctx, cancel := context.WithTimeout(t.Context(), 350*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/api/v3/ping", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); err == nil || len(body) == 0 || len(body) > 5 {
		t.Errorf("in 350 ms came %q, %v", body, err)
	}
}

func TestHangEndsWithClientOrClear(t *testing.T) {
	h := serve(t, Options{})
	h.inject(t, Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/api/v3"+quotes, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	ask := func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		ended <- err
	}
	go ask()
	if err := h.Await(t.Context(), "^/simple/price", 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the client that went away got %v", err)
	}
	req = req.Clone(t.Context())
	go ask()
	if err := h.Await(t.Context(), "^/simple/price", 2); err != nil {
		t.Fatal(err)
	}
	// The request was counted; that it has met the fault is only a moment later.
	for {
		h.Clear()
		select {
		case err := <-ended:
			if err == nil {
				return // it came after the faults were cleared
			}
			if errors.Is(err, context.Canceled) {
				t.Errorf("the dropped client got %v", err)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestMatchTimesAndOrder(t *testing.T) {
	h := serve(t, Options{})
	h.inject(t, Fault{Match: `^/coins/bitcoin/market_chart\?.*vs_currency=eur`, Status: 503})
	h.inject(t, Fault{Match: "^/simple", Times: 2, Status: 500})
	h.inject(t, Fault{Match: "price", Times: 1, Status: 404})
	for i, c := range []struct {
		target string
		status int
	}{
		{"/coins/bitcoin/market_chart?days=1&vs_currency=eur", 503},
		{"/coins/bitcoin/market_chart?days=1&vs_currency=usd", 200},
		{quotes, 500},
		{"/ping", 200},
		{quotes, 500},
		{quotes, 404},
		{quotes, 200},
		{"/coins/bitcoin/market_chart?days=1&vs_currency=eur", 503},
	} {
		if res, _ := h.get(t, c.target); res.StatusCode != c.status {
			t.Errorf("call %d: got %s, want %d", i, res.Status, c.status)
		}
	}
	h.Clear()
	if res, _ := h.get(t, "/coins/bitcoin/market_chart?days=1&vs_currency=eur"); res.StatusCode != http.StatusOK {
		t.Errorf("cleared: %s", res.Status)
	}
	for _, f := range []Fault{{Match: "("}, {Find: "("}, {Times: -1}, {Status: 99}, {Status: 600}, {Truncate: -1}, {Pad: -1}, {Delay: -1}} {
		if h.Inject(f) == nil {
			t.Errorf("took %+v", f)
		}
	}
}

func TestHold(t *testing.T) {
	h := serve(t, Options{})
	release := h.Hold("^/simple/price")
	type answer struct {
		status int
		err    error
	}
	answers := make(chan answer, 3)
	for range 3 {
		go func() {
			status, _, _, err := h.try(t, quotes)
			answers <- answer{status, err}
		}()
	}
	if err := h.Await(t.Context(), "^/simple/price", 3); err != nil {
		t.Fatal(err)
	}
	if res, _ := h.get(t, "/ping"); res.StatusCode != http.StatusOK {
		t.Errorf("another endpoint: %s", res.Status)
	}
	select {
	case a := <-answers:
		t.Fatalf("answered while held: %+v", a)
	default:
	}
	release()
	release()
	for range 3 {
		if a := <-answers; a.err != nil || a.status != http.StatusOK {
			t.Errorf("got %+v", a)
		}
	}
	if res, _ := h.get(t, quotes); res.StatusCode != http.StatusOK {
		t.Errorf("after the release: %s", res.Status)
	}
}

func TestAwaitEndsWithContext(t *testing.T) {
	h := serve(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Await(ctx, "", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := h.Await(t.Context(), "(", 1); err == nil {
		t.Error("took a wrong expression")
	}
}

func TestCalls(t *testing.T) {
	h := serve(t, Options{Plan: Demo})
	h.get(t, quotes, "x-cg-demo-api-key", "CG-secret")
	h.get(t, "/coins/0x/market_chart?vs_currency=usd&days=1&x_cg_demo_api_key=CG-secret")
	h.get(t, "/nothing")
	calls := h.Calls()
	want := []Call{
		{"GET", "/simple/price", quotes, "header", h.now()},
		{"GET", "/coins/{id}/market_chart", "/coins/0x/market_chart?days=1&vs_currency=usd", "query", h.now()},
		{"GET", "unknown", "/nothing", "", h.now()},
	}
	if len(calls) != len(want) {
		t.Fatalf("got %+v", calls)
	}
	for i := range want {
		if calls[i] != want[i] {
			t.Errorf("got %+v, want %+v", calls[i], want[i])
		}
	}
	if n := h.Counts(); n["/simple/price"] != 1 || n["unknown"] != 1 || h.Total() != 3 {
		t.Errorf("got %v", n)
	}
	if b, err := json.Marshal(calls); err != nil || bytes.Contains(b, []byte("secret")) {
		t.Errorf("the key is in %s, %v", b, err)
	}
	h.ResetCalls()
	if h.Total() != 0 || len(h.Calls()) != 0 {
		t.Error("calls are left after the reset")
	}
}

// A simulator that runs for months does not keep all of its calls.
func TestCallsAreBounded(t *testing.T) {
	s := New(Options{})
	const n = mostCalls + 5000
	r := httptest.NewRequest(http.MethodGet, "/api/v3/ping", nil)
	for range n {
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
	if kept := len(s.Calls()); kept > mostCalls || kept < mostCalls*9/10 || s.Total() != n {
		t.Errorf("%d kept of %d", kept, s.Total())
	}
}

func TestControl(t *testing.T) {
	h := serve(t, Options{})
	do := func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	fault := `{"match":"^/simple","status":429,"header":{"Retry-After":"3600"},"body":"Throttled","delay":"1ms"}`
	if status, body := do("POST", "/_sim/faults", fault); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	if status, header, body, err := h.try(t, quotes); err != nil || status != 429 || string(body) != "Throttled" || header.Get("Retry-After") != "3600" {
		t.Errorf("got %d %q %v", status, body, err)
	}
	for _, bad := range []string{"", "{", `{"statsu":429}`, `{"match":"("}`, `{"delay":"soon"}`, `{"delay":"-1s"}`, `{"times":-1}`} {
		if status, body := do("POST", "/_sim/faults", bad); status != http.StatusBadRequest || !strings.Contains(body, "not a fault") {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	if status, _ := do("DELETE", "/_sim/faults", ""); status != http.StatusNoContent {
		t.Errorf("DELETE: %d", status)
	}
	if res, _ := h.get(t, quotes); res.StatusCode != http.StatusOK {
		t.Errorf("cleared: %s", res.Status)
	}
	var calls struct {
		Total  int
		Counts map[string]int
		Calls  []Call
	}
	if status, body := do("GET", "/_sim/calls", ""); status != http.StatusOK || json.Unmarshal([]byte(body), &calls) != nil {
		t.Fatalf("%d %s", status, body)
	}
	if calls.Total != 2 || calls.Counts["/simple/price"] != 2 || len(calls.Calls) != 2 || calls.Calls[0].Target != quotes {
		t.Errorf("got %+v", calls)
	}
	if status, _ := do("DELETE", "/_sim/calls", ""); status != http.StatusNoContent || h.Total() != 0 {
		t.Errorf("%d, %d calls are left", status, h.Total())
	}
	if status, _ := do("GET", "/_sim/nothing", ""); status != http.StatusNotFound {
		t.Errorf("got %d", status)
	}
}
