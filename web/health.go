package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// checkTimeout bounds each readiness check: a probe wants an answer, not a wait.
const checkTimeout = time.Second

// readiness is what /readyz says beyond the checks.
type readiness struct{ stopping atomic.Bool }

// Stopping turns readiness red: the process goes on answering, and asks to be sent nothing new.
func (h *Handler) Stopping() { h.ready.stopping.Store(true) }

// healthz tells that the process is alive.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request, _ *parameters) error {
	writeHealth(w, http.StatusOK, map[string]any{"status": "ok"})
	return nil
}

// readyz tells whether the process can serve, which dependency is away, and as much of why as is safe to show; the rest is
// in the log.
func (h *Handler) readyz(w http.ResponseWriter, r *http.Request, _ *parameters) error {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	checks, ready := make(map[string]string, len(h.opts.Checks)), !h.ready.stopping.Load()
	reasons := make(map[string]string)
	for name, check := range h.opts.Checks {
		group.Go(func() {
			err := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			if checks[name] = "ok"; err != nil {
				checks[name], ready = "away", false
				reasons[name] = reasonOf(ctx, err)
				h.opts.Log.WarnContext(ctx, "a dependency is away", "event", "readiness", "request_id", telemetry.RequestID(ctx), "dependency", name, "error", err)
			}
		})
	}
	group.Wait()
	status, word := http.StatusOK, "ready"
	switch {
	case h.ready.stopping.Load():
		status, word = http.StatusServiceUnavailable, "stopping"
	case !ready:
		status, word = http.StatusServiceUnavailable, "not ready"
	}
	body := map[string]any{"status": word, "checks": checks}
	if len(reasons) > 0 {
		body["reasons"] = reasons
	}
	writeHealth(w, status, body)
	return nil
}

// reasonOf is why a check failed, without what a driver says, which has addresses in it.
func reasonOf(ctx context.Context, err error) string {
	var f *fault.Error
	switch {
	case errors.As(err, &f) && f.Message != "":
		return f.Message
	case ctx.Err() != nil:
		return "no answer within " + checkTimeout.String()
	}
	return "it cannot be reached, or answers with an error"
}

func writeHealth(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
