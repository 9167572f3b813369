package audit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/store"
	"github.com/coingraph/coingraph/telemetry"
)

// replica is a sink that runs on a real store.
type replica struct {
	*audit.Sink
	t       *testing.T
	console *lockedBuffer
	log     *audit.Log
	stop    func() // ends it in order; idempotent
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// database is a fresh database.
func database(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{DataDir: t.TempDir(), Replica: "store"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s audit.Store, o audit.SinkOptions) *replica {
	t.Helper()
	console := new(lockedBuffer)
	o.Console = console
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	r := &replica{Sink: audit.NewSink(o), t: t, console: console}
	r.ShipTo(s)
	r.log = audit.NewLog(s, r.Sink)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { r.Run(ctx) })
	r.stop = sync.OnceFunc(func() { cancel(); group.Wait(); r.Close() })
	t.Cleanup(r.stop)
	return r
}

func admin(t *testing.T) context.Context { return auth.WithActor(t.Context(), auth.Operator()) }

// write logs a request of each id.
func (r *replica) write(ids ...string) {
	for _, id := range ids {
		r.Request(&audit.Request{Time: time.Now(), RequestID: id, Method: "GET", Route: "/x", Status: 200})
	}
}

// export is an export's lines; each must be a whole JSON object.
func export(t *testing.T, l *audit.Log, f audit.Filter) (lines []map[string]any, missing []string) {
	t.Helper()
	e, err := l.Export(admin(t), f)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := e.Write(t.Context(), &out, func() {}); err != nil {
		t.Fatal(err)
	}
	return unzip(t, &out), e.Missing
}

func unzip(t *testing.T, r io.Reader) (lines []map[string]any) {
	t.Helper()
	zip, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil || line[len(line)-1] != '\n' {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, object)
	}
	return lines
}

// requests are the ids of the requests among the lines, in order.
func requests(lines []map[string]any) string {
	var ids []string
	for _, l := range lines {
		if l["event"] == "request" {
			ids = append(ids, l["request_id"].(string))
		}
	}
	return strings.Join(ids, " ")
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func TestExportHasEverything(t *testing.T) {
	s := database(t)
	r := run(t, s, audit.SinkOptions{Replica: "one"})
	before := time.Now().Add(-time.Microsecond) // lines have whole ones
	r.write("a", "b")
	r.Logger().WarnContext(telemetry.WithRequestID(t.Context(), "b"), "a worker", "event", "work", "took", 1500*time.Millisecond)
	lines, missing := export(t, r.log, audit.Filter{})
	if got := requests(lines); got != "a b" || len(missing) != 0 {
		t.Errorf("requests %s, missing %v", got, missing)
	}
	var worker, action map[string]any
	for _, l := range lines {
		switch l["event"] {
		case "work":
			worker = l
		case "log.export":
			action = l
		}
	}
	if worker["request_id"] != "b" || worker["replica"] != "one" || worker["took_ms"] != 1500.0 || worker["level"] != "WARN" || worker["msg"] != "a worker" {
		t.Errorf("the worker's line: %v", worker)
	}
	if action["key_id"] != "operator" || action["audit"] != true || action["level"] != "INFO" {
		t.Errorf("the audit entry: %v", action)
	}
	if len(lines) != 4 {
		t.Errorf("%d lines: %v", len(lines), lines)
	}
	// A range in the past, a filter, and a range that holds nothing; again and again.
	for range 2 {
		lines, _ = export(t, r.log, audit.Filter{To: before})
		if len(lines) != 0 {
			t.Errorf("lines from before: %v", lines)
		}
		lines, _ = export(t, r.log, audit.Filter{RequestID: "b", From: before.Add(-time.Second)})
		if len(lines) != 2 {
			t.Errorf("lines of a request: %v", lines)
		}
	}
	if got := r.console.String(); strings.Count(got, "\n") != 3 {
		await(t, "the console", func() bool { return strings.Count(r.console.String(), "\n") == 3 })
	}
}

// TestRangesJoin: exports of ranges that follow each other have together what one export has.
func TestRangesJoin(t *testing.T) {
	s := database(t)
	r := run(t, s, audit.SinkOptions{Replica: "one", SegmentBytes: 2000})
	begin := time.Now()
	var want []string
	for i := range 200 {
		id := fmt.Sprint("r", i)
		r.write(id)
		want = append(want, id)
		if i%50 == 49 {
			if _, err := r.log.Flush(admin(t), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	took := time.Since(begin)
	var got []string
	const parts = 7
	for i := range parts {
		f := audit.Filter{From: begin.Add(took * time.Duration(i) / parts), To: begin.Add(took * time.Duration(i+1) / parts)}
		if i == parts-1 {
			f.To = time.Time{}
		}
		lines, _ := export(t, r.log, f)
		if ids := requests(lines); ids != "" {
			got = append(got, ids)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v", got)
	}
}

func TestOnlyAdmins(t *testing.T) {
	r := run(t, database(t), audit.SinkOptions{Replica: "one"})
	user := auth.WithActor(t.Context(), auth.Actor{ID: "u", Tier: "standard", Role: auth.User})
	for who, ctx := range map[string]context.Context{"nobody": t.Context(), "a user": user} {
		want := fault.Unauthenticated
		if who == "a user" {
			want = fault.Forbidden
		}
		_, pageErr := r.log.Page(ctx, audit.Filter{}, audit.Place{}, 1)
		_, countErr := r.log.Count(ctx, audit.Filter{})
		_, exportErr := r.log.Export(ctx, audit.Filter{})
		_, flushErr := r.log.Flush(ctx, nil)
		_, signErr := r.log.Sign(ctx, audit.Filter{}, time.Now())
		for what, err := range map[string]error{"page": pageErr, "count": countErr, "export": exportErr, "flush": flushErr, "sign": signErr} {
			if !fault.Is(err, want) {
				t.Errorf("%s for %s: %v", what, who, err)
			}
		}
	}
}

// TestPages reads pages while the log grows: each entry once, and the counts fit.
func TestPages(t *testing.T) {
	s := database(t)
	r := run(t, s, audit.SinkOptions{Replica: "one"})
	seen := map[string]int{}
	var after audit.Place
	wrote := 0
	for round := range 10 {
		for range 7 {
			r.write(fmt.Sprint("r", wrote))
			wrote++
		}
		for {
			p, err := r.log.Page(admin(t), audit.Filter{Event: "request"}, after, 4)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range p.Nodes {
				seen[e.RequestID]++
				after = e.Place
			}
			if len(p.Nodes) > 4 || p.PageInfo.HasNextPage && len(p.Nodes) < 4 {
				t.Fatalf("a page of %d, more: %v", len(p.Nodes), p.PageInfo.HasNextPage)
			}
			if edges := p.Edges(); len(edges) > 0 && edges[len(edges)-1].Cursor != *p.PageInfo.EndCursor {
				t.Fatalf("the end cursor is not the last edge's: %+v", p)
			}
			if !p.PageInfo.HasNextPage {
				n, err := p.TotalCount(admin(t))
				if err != nil || n != wrote {
					t.Fatalf("round %d: count %d, %v; wrote %d", round, n, err, wrote)
				}
				break
			}
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is on %d pages", id, n)
		}
	}
	if len(seen) != wrote {
		t.Errorf("%d entries of %d", len(seen), wrote)
	}
	if n, err := r.log.Count(admin(t), audit.Filter{}); err != nil || n != wrote {
		t.Errorf("all: %d, %v", n, err)
	}
}

// TestReplicas: an export by one has what the others have not shipped yet, and names the one that is alive and silent.
func TestReplicas(t *testing.T) {
	s := database(t)
	one, two := run(t, s, audit.SinkOptions{Replica: "one"}), run(t, s, audit.SinkOptions{Replica: "two"})
	alive := func(name string) bool {
		ticket, err := s.RequestFlush(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		await(t, "the flush of all but "+name, func() bool {
			laggards, err := s.Laggards(t.Context(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(strings.Join(laggards, " "), name)
			return len(laggards) == 0
		})
		return found
	}
	await(t, "the second's first sign of life", func() bool { return alive("two") })
	one.write("a")
	two.write("b")
	lines, missing := export(t, one.log, audit.Filter{})
	if got := requests(lines); got != "a b" && got != "b a" || len(missing) != 0 {
		t.Errorf("requests %s, missing %v", got, missing)
	}
	if _, err := s.Beat(t.Context(), "silent", 0); err != nil {
		t.Fatal(err)
	}
	one.write("c")
	lines, missing = export(t, one.log, audit.Filter{})
	if got := requests(lines); !strings.HasSuffix(got, "c") || strings.Join(missing, " ") != "silent" {
		t.Errorf("requests %s, missing %v", got, missing)
	}
	two.write("d")
	two.stop()
	lines, _ = export(t, one.log, audit.Filter{RequestID: "d"})
	if got := requests(lines); got != "d" {
		t.Errorf("after a replica ended in order: %q", got)
	}
}

// TestLinks are good on every replica, for five minutes, for what was signed.
func TestLinks(t *testing.T) {
	s := database(t)
	one, two := audit.NewLog(s, nil), audit.NewLog(s, nil)
	now := time.Now()
	f := audit.Filter{From: now.Add(-time.Hour), Event: "request", Key: "jwt:a|b&c", Status: 500}
	link, err := one.Sign(admin(t), f, now)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil || u.Path != audit.ExportPath || u.IsAbs() || !audit.IsLink(u.Query()) {
		t.Fatalf("%s: %v", link, err)
	}
	verify := func(at time.Time, change func(url.Values)) error {
		q := u.Query()
		change(q)
		actor, err := two.Verify(t.Context(), q, at)
		if err == nil && (actor.ID != "operator" || actor.Role != auth.Admin || actor.Tier != "admin") {
			t.Errorf("the actor: %+v", actor)
		}
		return err
	}
	if err := verify(now.Add(4*time.Minute), func(url.Values) {}); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(url.Values){
		"another filter":      func(q url.Values) { q.Set("event", "x") },
		"no filter":           func(q url.Values) { q.Del("from") },
		"another parameter":   func(q url.Values) { q.Set("provider", "x") },
		"a second value":      func(q url.Values) { q.Add("event", "x") },
		"another actor":       func(q url.Values) { q.Set("actor", "x") },
		"a later end":         func(q url.Values) { q.Set("expires", "99999999999") },
		"no signature":        func(q url.Values) { q.Set("signature", "") },
		"another signature":   func(q url.Values) { q.Set("signature", strings.Repeat("A", 43)) },
		"a signature besides": func(q url.Values) { q.Add("signature", "x") },
	} {
		if err := verify(now, change); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := verify(now.Add(5*time.Minute+time.Second), func(url.Values) {}); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("after its time: %v", err)
	}
}

// away is a store that can be cut off.
type away struct {
	*store.Store
	mu  sync.Mutex
	off bool
}

func (a *away) set(off bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.off = off
}

func (a *away) Ship(ctx context.Context, s audit.Segment) error {
	a.mu.Lock()
	off := a.off
	a.mu.Unlock()
	if off {
		return fault.Wrap(fault.StoreUnavailable, errors.New("the cable is out"))
	}
	return a.Store.Ship(ctx, s)
}

// TestDatabaseAway: what is logged meanwhile is shipped later; what the disk may not hold is dropped, counted and said.
func TestDatabaseAway(t *testing.T) {
	s := &away{Store: database(t), off: true}
	r := run(t, s, audit.SinkOptions{Replica: "one", SegmentBytes: 1, DiskBytes: 2000})
	r.write("a", "b")
	await(t, "the closed segment", func() bool { return r.Stats().Waiting == 1 })
	for i := 2; r.Stats().Dropped == 0; i++ {
		waiting := r.Stats().Waiting
		r.write(fmt.Sprint("more", i), fmt.Sprint("most", i))
		await(t, "the next one", func() bool { return r.Stats().Waiting != waiting || r.Stats().Dropped > 0 })
	}
	await(t, "the word of it", func() bool { return strings.Contains(r.console.String(), `"event":"log.dropped"`) })
	if got := r.console.String(); !strings.Contains(got, "the cable is out") {
		t.Errorf("the console: %s", got)
	}
	kept := r.Stats()
	s.set(false)
	await(t, "what waited", func() bool { return r.Stats().Waiting == 0 })
	r.write("last")
	lines, _ := export(t, r.log, audit.Filter{})
	if got := requests(lines); strings.HasPrefix(got, "a b ") || !strings.HasSuffix(got, " last") || strings.Contains(got, "a b a") {
		t.Errorf("requests %s", got)
	}
	if kept.Dropped < 2 {
		t.Errorf("%d dropped", kept.Dropped)
	}
}

// TestLeftovers: what a killed process left is shipped by the next one, whole lines only, once.
func TestLeftovers(t *testing.T) {
	s := database(t)
	root := t.TempDir()
	dead := filepath.Join(root, "dead-1")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	line := func(id string) string {
		return fmt.Sprintf(`{"time":"2026-11-01T12:00:00.000000Z","level":"INFO","msg":"request","event":"request","request_id":"%s","replica":"dead-1"}`+"\n", id)
	}
	for name, text := range map[string]string{
		"00000001.ndjson": line("a") + line("b"),
		"00000002.ndjson": line("c") + line("torn")[:50],
		"00000003.ndjson": line("d") + string(make([]byte, 100)) + "\n" + line("after a hole"),
		"00000004.ndjson": "",
		"lock":            "",
	} {
		if err := os.WriteFile(filepath.Join(dead, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// It was killed after it had shipped the first and before it removed it.
	first, err := audit.NewSegment("dead-1/00000001", "dead-1", [][]byte{[]byte(line("a")), []byte(line("b"))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ship(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	living := run(t, s, audit.SinkOptions{Replica: "living", Dir: root})
	living.write("e")
	await(t, "its directory", func() bool { _, err := os.Stat(filepath.Join(root, "living")); return err == nil })
	r := run(t, s, audit.SinkOptions{Replica: "third", Dir: root}) // leaves the living one's alone
	await(t, "the leftovers", func() bool { return living.Stats().Waiting+r.Stats().Waiting == 0 })
	await(t, "the end of the directory", func() bool { _, err := os.Stat(dead); return os.IsNotExist(err) })
	lines, _ := export(t, living.log, audit.Filter{})
	if got := requests(lines); got != "a b c d e" {
		t.Errorf("requests %q", got)
	}
	living.stop()
	r.stop()
	if left, _ := os.ReadDir(root); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFileRemoved: a file or the whole directory that somebody removes costs nothing.
func TestFileRemoved(t *testing.T) {
	s := database(t)
	root := t.TempDir()
	r := run(t, s, audit.SinkOptions{Replica: "one", Dir: root})
	files := func() []string {
		found, _ := filepath.Glob(filepath.Join(root, "one", "*.ndjson"))
		return found
	}
	for i, remove := range []func(){
		func() { _ = os.Remove(files()[0]) },
		func() { _ = os.RemoveAll(root) },
	} {
		r.write(fmt.Sprint("before", i))
		await(t, "the file", func() bool { f := files(); return len(f) == 1 && sizeOf(f[0]) > 0 })
		remove()
		r.write(fmt.Sprint("after", i))
		await(t, "another file", func() bool {
			return r.Stats().Waiting == 0 && func() bool {
				lines, _ := export(t, r.log, audit.Filter{RequestID: fmt.Sprint("after", i)})
				return len(lines) == 1
			}()
		})
	}
	lines, _ := export(t, r.log, audit.Filter{})
	if got := requests(lines); got != "before0 after0 before1 after1" || r.Stats().Dropped != 0 {
		t.Errorf("requests %q, %d dropped", got, r.Stats().Dropped)
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// TestDiskFull writes to a file system of 64 KiB: nobody waits, no line is cut, and it goes on when there is room.
func TestDiskFull(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("skipped: a small file system cannot be mounted here: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := database(t)
	r := run(t, s, audit.SinkOptions{Replica: "one", Dir: filepath.Join(root, "logs")})
	await(t, "a first line on the disk", func() bool {
		r.write("first")
		found, _ := filepath.Glob(filepath.Join(root, "logs", "one", "*.ndjson"))
		return len(found) == 1 && sizeOf(found[0]) > 0
	})
	if err := os.WriteFile(filepath.Join(root, "ballast"), make([]byte, 64<<10), 0o600); err == nil {
		t.Fatal("the file system is not full")
	}
	long := strings.Repeat("x", 1000)
	for i := range 20_000 { // more than the queue holds
		r.Request(&audit.Request{Time: time.Now(), RequestID: fmt.Sprint("r", i), Route: long, Operation: long, Status: 200})
	}
	await(t, "the loss", func() bool { return r.Stats().Dropped > 0 })
	await(t, "the word of it", func() bool { return strings.Contains(r.console.String(), "no space left on device") })
	if err := os.Remove(filepath.Join(root, "ballast")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	await(t, "the recovery", func() bool { return r.Stats().QueueBytes == 0 })
	dropped := r.Stats().Dropped
	r.write("last")
	lines, _ := export(t, r.log, audit.Filter{Event: "request"})
	ids := map[any]int{}
	for _, l := range lines {
		if ids[l["request_id"]]++; l["request_id"] != "first" && ids[l["request_id"]] > 1 {
			t.Errorf("%v is there twice", l["request_id"])
		}
	}
	delete(ids, "first")
	if ids["last"] != 1 || int64(len(ids))+dropped < 20_001 {
		t.Errorf("%d requests, %d lines dropped", len(ids), dropped)
	}
}

// TestConsoleThatBlocks keeps nobody waiting, and no line from the segments.
func TestConsoleThatBlocks(t *testing.T) {
	s := database(t)
	read, write := io.Pipe()
	r := audit.NewSink(audit.SinkOptions{Console: write, Dir: t.TempDir(), Replica: "one"})
	r.ShipTo(s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	for i := range 10_000 {
		r.Request(&audit.Request{Time: time.Now(), RequestID: fmt.Sprint("r", i), Status: 200})
	}
	if r.Stats().ConsoleDropped == 0 {
		t.Error("a console that takes nothing took everything")
	}
	lines, _ := export(t, audit.NewLog(s, r), audit.Filter{})
	if got := strings.Fields(requests(lines)); len(got) != 10_000 {
		t.Errorf("%d lines", len(got))
	}
	cancel()
	<-done
	_ = read.Close()
	r.Close()
}

func TestLevels(t *testing.T) {
	s := database(t)
	r := run(t, s, audit.SinkOptions{Replica: "one", Level: slog.LevelInfo, ConsoleLevel: slog.LevelWarn})
	r.Logger().DebugContext(t.Context(), "a", "event", "debug")
	r.Logger().InfoContext(t.Context(), "b", "event", "info")
	r.Logger().WarnContext(t.Context(), "c", "event", "warn")
	r.Logger().InfoContext(t.Context(), "d", "event", "recorded", telemetry.RecordedKey, true)
	r.Request(&audit.Request{Time: time.Now(), Level: slog.LevelDebug, RequestID: "quiet"})
	r.write("loud")
	lines, _ := export(t, r.log, audit.Filter{})
	var events []string
	for _, l := range lines {
		events = append(events, l["event"].(string))
	}
	if got := strings.Join(events, " "); got != "info warn request log.export" {
		t.Errorf("the log: %s", got)
	}
	r.stop()
	if got := r.console.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"warn"`) {
		t.Errorf("the console: %s", got)
	}
}
