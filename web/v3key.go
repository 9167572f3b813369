package web

import (
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/web/openapi"
)

// keyBody is what https://docs.coingecko.com/reference/api-usage has of a plan. There are no months in here, so what
// CoinGecko counts by the month is null, and limits has what is counted.
type keyBody struct {
	Plan             string     `json:"plan"`
	PerMinute        int        `json:"rate_limit_request_per_minute"`
	MonthlyCredit    *int       `json:"monthly_call_credit"`
	MonthlyCalls     *int       `json:"current_total_monthly_calls"`
	MonthlyRemaining *int       `json:"current_remaining_monthly_calls"`
	Limits           []keyLimit `json:"limits"`
}

type keyLimit struct {
	Endpoint  string    `json:"endpoint"`
	Limit     int       `json:"limit"`
	Remaining int       `json:"remaining"`
	ResetsAt  time.Time `json:"resets_at"`
}

func (h *Handler) geckoKey() *operation {
	op := h.geckoOperation("/key", "geckoKey", "What is left of the caller's limits here", "The plan is the caller's tier here, and `limits` has the units left of each endpoint. Costs nothing.")
	op.answers = []answer{{description: "Where the caller stands.", headers: rated, content: []content{{
		plainJSON, openapi.Ref("CoinGeckoKey"), keyBodyOf("standard", []limit.Limit{{Endpoint: limit.SimplePrice, Max: 600, Remaining: 599, ResetsAt: exampleTime.Add(30 * time.Second)}}, time.Minute),
	}}}}
	op.serve = func(w http.ResponseWriter, r *http.Request, _ *parameters) error {
		actor, limits, err := h.opts.Resolver.Limits(r.Context())
		if err != nil {
			return err
		}
		body, err := json.Marshal(keyBodyOf(actor.Tier, limits, h.opts.RateWindow))
		if err != nil {
			return err
		}
		return h.uncached(w, r, body)
	}
	return op
}

func keyBodyOf(tier string, limits []limit.Limit, window time.Duration) keyBody {
	body := keyBody{Plan: tier, Limits: make([]keyLimit, len(limits))}
	for i, l := range limits {
		body.Limits[i] = keyLimit{l.Endpoint.String(), l.Max, l.Remaining, l.ResetsAt}
		if l.Endpoint == limit.SimplePrice && window > 0 {
			body.PerMinute = int(math.Floor(float64(l.Max) * float64(time.Minute) / float64(window)))
		}
	}
	return body
}
