package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
)

// reply is an answer before it is written.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// success is a 200 with a body that the CDN may keep for so many seconds.
func success(body []byte, shared int) *reply {
	h := http.Header{}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "max-age=30, public, must-revalidate, s-maxage="+strconv.Itoa(shared))
	h.Set("Vary", "Accept-Encoding, Origin")
	sum := xxhash.Sum64(body)
	h.Set("ETag", `W/"`+strconv.FormatUint(sum|1<<63, 16)+`"`)
	h.Set("Cf-Cache-Status", "MISS")
	if sum%4 == 0 { // as if the CDN had had it
		h.Set("Cf-Cache-Status", "HIT")
		h.Set("Age", strconv.Itoa(1+int(sum>>8%uint64(shared))))
	}
	return &reply{http.StatusOK, h, body}
}

// refuse is an error with a JSON body.
func refuse(status int, body any) *reply {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // all bodies are of this package's types
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	return &reply{status, h, b}
}

// flat is the first of the API's four shapes of errors: {"error": words}.
func flat(status int, words string) *reply {
	return refuse(status, struct {
		Error string `json:"error"`
	}{words})
}

type codeAndWords struct {
	Timestamp string `json:"timestamp,omitempty"`
	Code      int    `json:"error_code"`
	Words     string `json:"error_message"`
}

// coded is {"status": {"error_code": …, "error_message": …}}.
func coded(status, code int, words string) *reply {
	return refuse(status, struct {
		Status codeAndWords `json:"status"`
	}{codeAndWords{"", code, words}})
}

// nested is {"error": {"status": {"timestamp": …, "error_code": …, "error_message": …}}}.
func nested(status, code int, words string, now int64) *reply {
	return refuse(status, map[string]any{"error": struct {
		Status codeAndWords `json:"status"`
	}{codeAndWords{timestamp(now), code, words}}})
}

// split is {"timestamp": …, "error_code": …, "status": {"error_message": …}}.
func split(status, code int, words string, now int64) *reply {
	type message struct {
		Words string `json:"error_message"`
	}
	return refuse(status, struct {
		Timestamp string  `json:"timestamp"`
		Code      int     `json:"error_code"`
		Status    message `json:"status"`
	}{timestamp(now), code, message{words}})
}

func timestamp(now int64) string {
	return time.UnixMilli(now).UTC().Format("2006-01-02T15:04:05.000-07:00")
}

func missing(parameter string) *reply {
	return flat(http.StatusUnprocessableEntity, "Missing parameter "+parameter)
}

func incorrectPath() *reply {
	return flat(http.StatusNotFound, "Incorrect path. Please check https://www.coingecko.com/api/")
}

func rateLimited(retryAfter int64) *reply {
	p := coded(http.StatusTooManyRequests, 429, "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing "+
		"to subscribe to our API plans for higher rate limits.")
	p.header.Set("Content-Type", "application/json")
	p.header.Set("Retry-After", strconv.FormatInt(retryAfter, 10))
	return p
}

func paidOnly() *reply {
	return coded(http.StatusUnauthorized, 10005, "This request is limited to PRO API subscribers. "+
		"Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans to access this endpoint.")
}

func beyondReach(now int64) *reply {
	return nested(http.StatusUnauthorized, 10012, "Your request exceeds the allowed time range. Public API users are limited to "+
		"querying historical data within the past 365 days. Upgrade to a paid plan to enjoy full historical data access: "+
		"https://www.coingecko.com/en/api/pricing. ", now)
}

// write sends the reply, or 304 if the client has it.
func (p *reply) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for k, v := range p.header {
		h[k] = v
	}
	if tag := h.Get("ETag"); p.status == http.StatusOK && tag != "" && r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body) // the client went away: nobody to tell
}
