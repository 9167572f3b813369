package cryptoquant

import (
	"encoding/json"
	"net/http"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
)

// status is what each answer's envelope begins with. Errors may lack the result, and have more in the status.
// https://docs.cryptoquant.com/guides/status-codes
type status struct {
	Code    json.Number `json:"code"`
	Message string      `json:"message"`
}

// readStatus finds the status in a body; the code is 0 where there is none.
func readStatus(body []byte) (code int, message string) {
	var envelope struct {
		Status *status `json:"status"`
	}
	if json.Unmarshal(body, &envelope) != nil || envelope.Status == nil {
		return 0, ""
	}
	n, err := envelope.Status.Code.Int64()
	if err != nil || n < 0 || n > 1<<30 {
		n = 0
	}
	return int(n), envelope.Status.Message
}

// refusal translates an answer that is not a 200 with JSON, or is one with an error in it.
func (c *Client) refusal(r *wire.Reply) error {
	code, message := readStatus(r.Body)
	return wire.Pause(fault.Wrap(wire.KindOf(apparent(r.Status, code), code != 0), c.wire.Refusal(r, code, message)), wire.RetryAtEpoch(r.Header, c.now()))
}

// apparent is an answer's status: an error may come under 200, with its own in the envelope.
func apparent(status, code int) int {
	if status == http.StatusOK && code >= http.StatusBadRequest && code < 600 {
		return code
	}
	return status
}
