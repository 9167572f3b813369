package cork_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/coingraph/coingraph/web/cork"
)

// serve answers with as many bytes as the path says, by write.
func serve(t testing.TB, listen func(net.Listener) net.Listener, write func(context.Context, io.Writer, []byte) error) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ConnContext: cork.Context, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", strconv.Itoa(size))
		if err := write(r.Context(), w, content(size)); err != nil {
			t.Error(err)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listen(l)) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return "http://" + l.Addr().String()
}

// content has other bytes at each place.
func content(size int) []byte {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = random.Read(b)
	return b
}

// TestBodiesArrive, of every length around what net/http buffers, one after the other on connections that stay open.
func TestBodiesArrive(t *testing.T) {
	url := serve(t, cork.Listen, cork.Write)
	sizes := []int{0, 1, 511, 2048, 60_000, 1 << 20}
	for size := 3500; size <= 4200; size += 7 {
		sizes = append(sizes, size)
	}
	for size := 7600; size <= 8300; size += 7 {
		sizes = append(sizes, size)
	}
	var group sync.WaitGroup
	for client := range 4 {
		group.Go(func() {
			sizes := slices.Clone(sizes)
			rand.New(rand.NewPCG(1, uint64(client))).Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
			for i, size := range sizes {
				method := []string{http.MethodGet, http.MethodPost, http.MethodHead}[i%3]
				r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprint(url, "/", size), bytes.NewReader(content(i)))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Errorf("%s of %d bytes: %v", method, size, err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				want := content(size)
				if method == http.MethodHead {
					want = nil
				}
				if err != nil || !bytes.Equal(got, want) || resp.ContentLength != int64(size) {
					t.Errorf("%s of %d bytes: %d arrived (%v)", method, size, len(got), err)
				}
			}
		})
	}
	group.Wait()
}

// BenchmarkServe has 16 clients ask for 12 KB.
func BenchmarkServe(b *testing.B) {
	plain := func(_ context.Context, w io.Writer, body []byte) error { _, err := w.Write(body); return err }
	for _, c := range []struct {
		name  string
		write func(context.Context, io.Writer, []byte) error
	}{{"plain", plain}, {"corked", cork.Write}} {
		b.Run(c.name, func(b *testing.B) {
			url := serve(b, cork.Listen, c.write)
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := http.Get(url + "/12000")
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		})
	}
}
