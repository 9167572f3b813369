package simulator

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CryptoQuant is the access that CryptoQuant sells here.
type CryptoQuant struct {
	Keys  []string // the tokens that are right; empty: any is, but there must be one
	Reach string   // how far back its endpoints go: P0D, P3Y, P6M, P30D; "": P0D, all of it
	Limit int      // calls a minute for each token; 0: none
	Rows  int      // how many an answer has at most, whatever the limit asked for; 0: 100,000
}

// unlimited is how CryptoQuant writes that there is no limit.
const unlimited = "P0D"

var reachForm = regexp.MustCompile(`^P[0-9]{1,4}[YMWD]$`)

// envelope is an answer or an error of CryptoQuant.
func envelope(code int, message string, result json.RawMessage) *reply {
	body, err := json.Marshal(struct {
		Status struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"status"`
		Result json.RawMessage `json:"result,omitempty"`
	}{struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{code, message}, result})
	if err != nil {
		panic(err) // the result is JSON of our own
	}
	return &reply{code, http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body}
}

// refuseCryptoQuant is an error as the reference documents them; no recorded body of one is known.
func refuseCryptoQuant(status int) *reply {
	message := map[int]string{
		400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "not_allowed", 429: "too_many_requests",
		500: "internal_server_error",
	}[status]
	if message == "" {
		message = http.StatusText(status)
	}
	p := envelope(status, message, nil)
	if status == http.StatusTooManyRequests {
		p.header.Set("X-Ratelimit-Remaining", "0")
	}
	return p
}

func cryptoQuantEndpoint(q *request) string {
	path := "/" + strings.Join(q.segments, "/")
	switch {
	case path == "/my/discovery/endpoints", path == "/discovery/endpoints":
		return q.vendor.root + path
	case len(q.segments) == 3 && chainMetrics[q.segments[1]+"/"+q.segments[2]].value != nil:
		return q.vendor.root + "/{asset}/" + q.segments[1] + "/" + q.segments[2]
	}
	return "unknown"
}

func (s *Simulator) cryptoQuant(q *request) *reply {
	o := s.opts.CryptoQuant
	if q.key == "" || len(o.Keys) > 0 && !slices.Contains(o.Keys, q.key) {
		return refuseCryptoQuant(http.StatusUnauthorized)
	}
	if o.Limit > 0 {
		if left := s.limits.spend(q.client(), o.Limit, q.now); left > 0 {
			p := refuseCryptoQuant(http.StatusTooManyRequests)
			p.header.Set("X-Ratelimit-Limit", strconv.Itoa(o.Limit))
			p.header.Set("X-Ratelimit-Reset", strconv.FormatInt(q.now/second+left, 10))
			return p
		}
	}
	if q.Method != http.MethodGet {
		return refuseCryptoQuant(http.StatusMethodNotAllowed)
	}
	switch path := strings.Join(q.segments, "/"); path {
	case "my/discovery/endpoints":
		return s.myEndpoints()
	case "discovery/endpoints":
		return s.allEndpoints()
	}
	if len(q.segments) != 3 {
		return refuseCryptoQuant(http.StatusNotFound)
	}
	c, m, ok := s.metric(q.segments[0], q.segments[1]+"/"+q.segments[2])
	if !ok {
		return refuseCryptoQuant(http.StatusNotFound)
	}
	return s.metricRows(q, c, m)
}

// myEndpoints is what the plan gives, in the form of /my/discovery/endpoints: without the envelope.
func (s *Simulator) myEndpoints() *reply {
	type level = map[string]any
	endpoints := level{"statics": []string{"/v1/discovery/endpoints"}}
	for name := range s.chains {
		categories := map[string]level{}
		for path := range chainMetrics {
			if _, _, ok := s.metric(name, path); !ok {
				continue
			}
			category, metric, _ := strings.Cut(path, "/")
			if categories[category] == nil {
				categories[category] = level{}
			}
			categories[category][metric] = map[string]string{"day": s.opts.CryptoQuant.Reach, "hour": s.opts.CryptoQuant.Reach}
		}
		endpoints[name] = categories
	}
	answer := level{"plan": level{"name": "PROFESSIONAL"}, "apiEndpoint": endpoints}
	if n := s.opts.CryptoQuant.Limit; n > 0 {
		answer["apiRateLimit"] = level{"token": n, "window": "1m"}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // texts and numbers
	}
	return plainJSON(body)
}

// allEndpoints is what there is, whatever the plan.
func (s *Simulator) allEndpoints() *reply {
	type row struct {
		Path       string              `json:"path"`
		Parameters map[string][]string `json:"parameters"`
		Required   []string            `json:"required_parameters"`
	}
	var rows []row
	for name := range s.chains {
		for path := range chainMetrics {
			if _, _, ok := s.metric(name, path); !ok {
				continue
			}
			r := row{"/v1/" + name + "/" + path, map[string][]string{"window": {"day", "hour"}}, []string{}}
			if strings.HasPrefix(path, "exchange-flows/") {
				r.Parameters["exchange"], r.Required = []string{"all_exchange"}, []string{"exchange"}
			}
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.Path, b.Path) })
	result, err := json.Marshal(map[string]any{"data": rows})
	if err != nil {
		panic(err) // texts
	}
	return envelope(http.StatusOK, "success", result)
}

// metricRows answers with the rows of a metric: newest first, at most limit of them, those nearest to `to`.
func (s *Simulator) metricRows(q *request, c *chain, m chainMetric) *reply {
	bad := func() *reply { return refuseCryptoQuant(http.StatusBadRequest) }
	window, step := "day", daily
	switch v := q.query.Get("window"); v {
	case "", "day":
	case "hour":
		window, step = v, hourly
	default:
		return bad()
	}
	if strings.HasPrefix(strings.Join(q.segments[1:], "/"), "exchange-flows/") && q.query.Get("exchange") != "all_exchange" {
		return bad()
	}
	from, okFrom := q.compact("from", step, c.listed)
	to, okTo := q.compact("to", step, q.now)
	limit, okLimit := q.whole("limit", 100, 1, 100_000)
	if !okFrom || !okTo || !okLimit {
		return bad()
	}
	if first := s.opts.CryptoQuant.first(q.now); q.query.Get("from") == "" {
		from = max(from, first)
	} else if from/daily < first/daily {
		return refuseCryptoQuant(http.StatusForbidden)
	}
	if rows := s.opts.CryptoQuant.Rows; rows > 0 {
		limit = min(limit, int64(rows))
	}
	first := (max(from, c.listed) + step - 1) / step
	last := min(to, q.now) / step // the running period has a row
	first = max(first, last-limit+1)

	b := append([]byte(`{"window":"`), window...)
	b = append(b, `","data":[`...)
	for i := last; i >= first; i-- {
		if i < last {
			b = append(b, ',')
		}
		t := time.UnixMilli(i * step).UTC()
		if step == daily {
			b = t.AppendFormat(b, `{"date":"2006-01-02","`)
		} else {
			b = t.AppendFormat(b, `{"datetime":"2006-01-02 15:04:05","`)
		}
		b = append(append(b, m.field...), `":`...)
		b = append(appendShort(b, s.metricValue(c, m, i*step, step, q.now)), '}')
	}
	return envelope(http.StatusOK, "success", append(b, `]}`...))
}

// compact is a parameter in one of CryptoQuant's forms, as Unix ms. A date alone is for days.
func (q *request) compact(name string, step, otherwise int64) (int64, bool) {
	v := q.query.Get(name)
	if v == "" {
		return otherwise, true
	}
	layouts := []string{"20060102T150405"}
	if step == daily {
		layouts = append(layouts, "20060102")
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, v); err == nil && t.Unix() >= 0 {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// first is the first instant that the plan gives.
func (o CryptoQuant) first(now int64) int64 {
	n, err := strconv.Atoi(strings.Trim(o.Reach, "PYMWD"))
	if err != nil || n == 0 {
		return 0
	}
	t := time.UnixMilli(now).UTC()
	switch o.Reach[len(o.Reach)-1] {
	case 'Y':
		return t.AddDate(-n, 0, 0).UnixMilli()
	case 'M':
		return t.AddDate(0, -n, 0).UnixMilli()
	case 'W':
		return t.AddDate(0, 0, -7*n).UnixMilli()
	default:
		return t.AddDate(0, 0, -n).UnixMilli()
	}
}
