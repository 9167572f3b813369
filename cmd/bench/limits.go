package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// limitCommand makes this program one of the limits: bench limit static|redis|pg. It takes ADDR, BODIES, REDIS_URL and
// DATABASE_URL from the environment.
const limitCommand = "limit"

// limitKey is where a workload's ready answer lies in Redis.
func limitKey(workload string) string { return "bench:" + workload }

// serveLimit answers POST /<workload> with the workload's ready bytes.
func serveLimit(ctx context.Context, mode string) error {
	var get func(ctx context.Context, workload string, body []byte) ([]byte, error)
	switch mode {
	case "static":
		ready, err := readBodies(os.Getenv("BODIES"))
		if err != nil {
			return err
		}
		get = func(_ context.Context, workload string, _ []byte) ([]byte, error) {
			if body, ok := ready[workload]; ok {
				return body, nil
			}
			return nil, fmt.Errorf("no workload %q", workload)
		}
	case "redis":
		client, err := limitRedis()
		if err != nil {
			return err
		}
		get = func(ctx context.Context, workload string, _ []byte) ([]byte, error) {
			return client.Get(ctx, limitKey(workload)).Bytes()
		}
	case "pg":
		client, err := limitRedis()
		if err != nil {
			return err
		}
		pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
		if err != nil {
			return err
		}
		get = func(ctx context.Context, _ string, body []byte) ([]byte, error) {
			return storedPrice(ctx, client, pool, body)
		}
	default:
		return fmt.Errorf("there is no limit %q", mode)
	}
	server := &http.Server{Addr: os.Getenv("ADDR"), ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			body, err = get(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}

func limitRedis() (*redis.Client, error) {
	o, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return nil, err
	}
	return redis.NewClient(o), nil
}

func readBodies(dir string) (map[string][]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	ready := make(map[string][]byte)
	for _, f := range files {
		if ready[strings.TrimSuffix(filepath.Base(f), ".json")], err = os.ReadFile(f); err != nil { //nolint:gosec // the directory is the bench's own
			return nil, err
		}
	}
	return ready, nil
}

// storedPrice is what the plainest server does for a price that Redis does not have: a miss, one prepared SELECT by primary
// key, and the answer kept in Redis for a moment.
func storedPrice(ctx context.Context, client *redis.Client, pool *pgxpool.Pool, body []byte) ([]byte, error) {
	var q struct {
		Variables struct{ Asset, Currency string }
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	v := q.Variables
	key := "bench:price:" + v.Asset + ":" + v.Currency
	if b, err := client.Get(ctx, key).Bytes(); err == nil {
		return b, nil
	}
	var price, marketCap, volume, change *float64
	var updated, fetched int64 // Unix ms
	var source string
	err := pool.QueryRow(ctx, `SELECT price, market_cap, volume_24h, change_24h, last_updated_at, fetched_at, source FROM prices.latest WHERE asset = $1 AND currency = $2`,
		v.Asset, strings.ToLower(v.Currency)).Scan(&price, &marketCap, &volume, &change, &updated, &fetched, &source)
	if err != nil {
		return nil, err
	}
	b := append([]byte(nil), `{"data":{"simplePrice":[{"asset":{"id":"`+v.Asset+`"},"currency":"`+v.Currency+`"`...)
	for _, f := range []struct {
		name  string
		value *float64
	}{{"price", price}, {"marketCap", marketCap}, {"volume24h", volume}, {"change24h", change}} {
		if b = append(b, `,"`+f.name+`":`...); f.value == nil {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, *f.value, 'g', -1, 64)
	}
	b = time.UnixMilli(updated).UTC().AppendFormat(append(b, `,"lastUpdatedAt":"`...), time.RFC3339)
	b = time.UnixMilli(fetched).UTC().AppendFormat(append(b, `","fetchedAt":"`...), time.RFC3339Nano)
	b = append(b, `","source":"`+source+`","stale":false}]},"extensions":{"cost":{"limit":1000000,"units":{"simple_price":1},"value":10}}}`...)
	client.Set(ctx, key, b, time.Millisecond)
	return b, nil
}
