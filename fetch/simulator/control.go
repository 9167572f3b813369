package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// faultJSON is a [Fault] as POST /_sim/faults takes it: bodies as text, the delay as "1.5s".
type faultJSON struct {
	Match    string            `json:"match"`
	Times    int               `json:"times"`
	Status   int               `json:"status"`
	Header   map[string]string `json:"header"`
	Body     *string           `json:"body"`
	HTML     bool              `json:"html"`
	Redirect string            `json:"redirect"`
	Find     string            `json:"find"`
	Replace  string            `json:"replace"`
	Pad      int               `json:"pad"`
	Gzip     bool              `json:"gzip"`
	Delay    string            `json:"delay"`
	Hang     bool              `json:"hang"`
	Truncate int               `json:"truncate"`
	Reset    bool              `json:"reset"`
	Drip     bool              `json:"drip"`
}

func (j faultJSON) fault() (Fault, error) {
	f := Fault{
		Match: j.Match, Times: j.Times, Status: j.Status, Header: j.Header, HTML: j.HTML, Redirect: j.Redirect,
		Find: j.Find, Replace: j.Replace, Pad: j.Pad, Gzip: j.Gzip, Hang: j.Hang, Truncate: j.Truncate, Reset: j.Reset, Drip: j.Drip,
	}
	if j.Body != nil {
		f.Body = []byte(*j.Body)
	}
	var err error
	if j.Delay != "" {
		f.Delay, err = time.ParseDuration(j.Delay)
	}
	return f, err
}

// control is what is below /_sim/:
//
//	POST   /_sim/faults   adds a fault; 204
//	DELETE /_sim/faults   clears all; 204
//	GET    /_sim/calls    {"total": …, "counts": {endpoint: …}, "calls": […]}
//	DELETE /_sim/calls    forgets them; 204
//	POST   /_sim/revisions  {"from": …, "to": …} (RFC 3339) revises the flows of exchanges between; 204
func (s *Simulator) control(w http.ResponseWriter, r *http.Request, path string) {
	switch r.Method + " " + path {
	case "POST faults":
		const most = 1 << 20
		var j faultJSON
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
		d.DisallowUnknownFields()
		err := d.Decode(&j)
		if err == nil {
			var f Fault
			if f, err = j.fault(); err == nil {
				err = s.Inject(f)
			}
		}
		if err != nil {
			flat(http.StatusBadRequest, fmt.Sprintf("not a fault: %v", err)).write(w, r)
			return
		}
	case "POST revisions":
		const most = 1 << 10
		var span struct{ From, To time.Time }
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
		d.DisallowUnknownFields()
		if err := d.Decode(&span); err != nil {
			flat(http.StatusBadRequest, fmt.Sprintf("not a span of time: %v", err)).write(w, r)
			return
		}
		s.Revise(span.From, span.To)
	case "DELETE faults":
		s.Clear()
	case "GET calls":
		body, err := json.Marshal(map[string]any{"total": s.Total(), "counts": s.Counts(), "calls": s.Calls()})
		if err != nil {
			panic(err) // strings, numbers and times of this century
		}
		p := success(body, 1)
		p.header = http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Cache-Control": {"no-store"}}
		p.write(w, r)
		return
	case "DELETE calls":
		s.ResetCalls()
	default:
		flat(http.StatusNotFound, "the controls are POST and DELETE /_sim/faults, GET and DELETE /_sim/calls, POST /_sim/revisions").write(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
