package cork

import (
	"context"
	"io"
	"net"
	"testing"
)

// TestTheFirstPieceWaits for the second, or for the end of the body.
func TestTheFirstPieceWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := Listen(l).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	c, ctx := accepted.(*conn), Context(t.Context(), accepted)
	long := make([]byte, buffered+1)

	want := ""
	for _, pieces := range [][]string{{"head and ", "body"}, {"all of it"}, {"head, ", "middle, ", "end"}} {
		w := writer(func([]byte) (int, error) {
			for i, piece := range pieces {
				want += piece
				if n, err := c.Write([]byte(piece)); n != len(piece) || err != nil {
					t.Errorf("%q: %d, %v", piece, n, err)
				}
				if held := string(c.held); i == 0 && held != piece || i > 0 && held != "" {
					t.Errorf("after %q it holds %q", piece, held)
				}
			}
			return len(long), nil
		})
		if err := Write(ctx, w, long); err != nil || len(c.held) > 0 || c.corked {
			t.Errorf("%q: %v, and it holds %q", pieces, err, c.held)
		}
	}
	if n, err := c.Write([]byte("!")); n != 1 || err != nil {
		t.Errorf("without a cork: %d, %v", n, err)
	}
	got := make([]byte, len(want)+1)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != want+"!" {
		t.Errorf("%q arrives, want %q (%v)", got, want, err)
	}
	_ = c.Close()
	if err := Write(ctx, writer(c.Write), long); err == nil {
		t.Error("a closed connection takes what is held")
	}
	// A short body, or another connection, is as it was.
	if err := Write(context.Background(), writer(func(b []byte) (int, error) { return len(b), nil }), long); err != nil {
		t.Error(err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
