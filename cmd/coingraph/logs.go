package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-isatty"
)

// logsCmd reads the log of a server that runs, of all its replicas.
type logsCmd struct {
	Follow    bool          `short:"f" help:"Go on, with what comes."`
	Since     time.Duration `default:"15m" help:"How far back to begin; 0 is the beginning."`
	URL       string        `name:"url" help:"Address of the server: COINGRAPH_URL, or http://localhost:8080."`
	Key       string        `help:"API key of tier admin: better in COINGRAPH_KEY, where other users of this machine do not see it."`
	JSON      bool          `name:"json" help:"The lines as they are."`
	Level     string        `enum:",debug,info,warn,error" default:"" help:"Only this level: debug, info, warn or error."`
	Event     string        `help:"Only this event, such as request or fetch.call."`
	KeyID     string        `name:"key-id" help:"Only what this key's holder asked for."`
	Status    int           `help:"Only answers with this HTTP status."`
	Provider  string        `help:"Only this provider."`
	RequestID string        `name:"request-id" help:"Only what belongs to this request."`
}

const (
	followEvery = 2 * time.Second // between two looks at what has come
	logsPatient = 30 * time.Second

	// logsOperation names our own question in the log, where nobody wants to see it repeated.
	logsOperation = "CoingraphLogs"
	logsQuery     = `query ` + logsOperation + `($filter: LogFilter, $after: String) {
		logExport(filter: $filter, first: 250, after: $after) { nodes { line operation } pageInfo { hasNextPage endCursor } }
	}`
)

// Run prints what the server has, and with Follow what comes, until it is interrupted.
func (c logsCmd) Run(e *env) error {
	c.URL = strings.TrimSuffix(cmp.Or(c.URL, e.variable("COINGRAPH_URL"), "http://localhost:8080"), "/")
	c.Key = cmp.Or(c.Key, e.variable("COINGRAPH_KEY"))
	if c.Key == "" {
		return errors.New("an API key of tier admin is needed: set COINGRAPH_KEY")
	}
	p := linePrinter{out: e.stdout, json: c.JSON, color: isTerminal(e.stdout) && e.variable("NO_COLOR") == ""}
	filter := c.filter(time.Now())
	after := ""
	for e.ctx.Err() == nil {
		page, err := c.page(e.ctx, filter, after)
		switch {
		case e.ctx.Err() != nil: // interrupted: that is how following ends
			continue
		case err != nil && (!c.Follow || after == "" || errors.As(err, new(refusal))):
			return err
		case err != nil:
			fmt.Fprintf(e.stderr, "coingraph: %v; trying again\n", err)
		default:
			for _, n := range page.Nodes {
				if strings.HasPrefix(n.Operation, logsOperation+" ") {
					continue
				}
				if err := p.print([]byte(n.Line)); err != nil {
					return err
				}
			}
			after = cmp.Or(page.PageInfo.EndCursor, after)
			if page.PageInfo.HasNextPage {
				continue
			}
			if !c.Follow {
				return nil
			}
		}
		select {
		case <-time.After(followEvery):
		case <-e.ctx.Done():
		}
	}
	return nil
}

func (c logsCmd) filter(now time.Time) map[string]any {
	f := make(map[string]any)
	if c.Since > 0 {
		f["from"] = now.Add(-c.Since).UTC().Format(time.RFC3339Nano)
	}
	if c.Status != 0 {
		f["status"] = c.Status
	}
	for name, value := range map[string]string{
		"level": strings.ToUpper(c.Level), "event": c.Event, "key": c.KeyID, "provider": c.Provider, "requestId": c.RequestID,
	} {
		if value != "" {
			f[name] = value
		}
	}
	return f
}

type logsPage struct {
	Nodes    []struct{ Line, Operation string }
	PageInfo struct {
		HasNextPage bool
		EndCursor   string
	}
}

// refusal is what the server answers instead of a page: asking again would not help.
type refusal string

func (r refusal) Error() string { return "the server answered: " + string(r) }

func (c logsCmd) page(ctx context.Context, filter map[string]any, after string) (logsPage, error) {
	ctx, cancel := context.WithTimeout(ctx, logsPatient)
	defer cancel()
	body, err := json.Marshal(map[string]any{"query": logsQuery, "operationName": logsOperation, "variables": map[string]any{"filter": filter, "after": after}})
	if err != nil {
		return logsPage{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return logsPage{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-API-Key", c.Key)
	// A redirect would carry the key to wherever it leads.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return logsPage{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		Data   struct{ LogExport *logsPage }
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(&answer); err != nil {
		return logsPage{}, fmt.Errorf("the answer (%s) is not GraphQL's: is %s a coingraph server?", resp.Status, c.URL)
	}
	if len(answer.Errors) > 0 {
		first := answer.Errors[0]
		if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || first.Extensions.Code == "STORE_UNAVAILABLE" {
			return logsPage{}, fmt.Errorf("the server answered: %s", first.Message)
		}
		return logsPage{}, refusal(first.Message)
	}
	if answer.Data.LogExport == nil {
		return logsPage{}, fmt.Errorf("the server answered %s", resp.Status)
	}
	return *answer.Data.LogExport, nil
}

// variable is a variable of the environment.
func (e *env) variable(name string) string {
	for _, entry := range e.environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// isTerminal tells whether people watch what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// linePrinter shows lines of the log to a person.
type linePrinter struct {
	out         io.Writer
	json, color bool
}

const (
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	cyan    = "36"
	boldRed = "1;31"
)

func (p linePrinter) paint(color, text string) string {
	if !p.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (p linePrinter) print(line []byte) error {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if p.json || decoder.Decode(&fields) != nil {
		_, err := fmt.Fprintf(p.out, "%s\n", line)
		return err
	}
	take := func(name string) string {
		v, ok := fields[name]
		delete(fields, name)
		if !ok {
			return ""
		}
		return shownValue(v)
	}
	at, level, event, msg := take("time"), take("level"), take("event"), take("msg")
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		at = t.UTC().Format("2006-01-02 15:04:05.000")
	}
	parts := []string{p.paint(dim, at), p.paint(colorOfLevel(level), fmt.Sprintf("%-5s", level)), p.paint(cyan, event)}
	if event == "request" {
		status := take("status")
		parts = append(parts, p.paint(colorOfStatus(status), status), take("method"), cmp.Or(take("route"), "-"), take("duration_ms")+" ms")
	} else {
		parts = append(parts, msg)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if text := shownValue(fields[name]); text != "" && text != "0" {
			parts = append(parts, p.paint(dim, name+"=")+text)
		}
	}
	_, err := fmt.Fprintln(p.out, strings.Join(parts, " "))
	return err
}

func colorOfLevel(level string) string {
	switch level {
	case "ERROR":
		return boldRed
	case "WARN":
		return yellow
	case "DEBUG":
		return dim
	}
	return green
}

func colorOfStatus(status string) string {
	switch {
	case strings.HasPrefix(status, "5"):
		return red
	case strings.HasPrefix(status, "4"):
		return yellow
	}
	return green
}

// shownValue is a value as text that no terminal obeys.
func shownValue(v any) string {
	text, ok := v.(string)
	if !ok {
		encoded, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		text = string(encoded)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
