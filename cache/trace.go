package cache

import (
	"context"
	"errors"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/telemetry"
)

// tracing makes a span of each command and pipeline that goes to Redis. It tells the command's name and never its
// arguments, which are keys and values.
type tracing struct{}

var _ redis.Hook = tracing{}

func (tracing) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (tracing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, span := telemetry.StartSpan(ctx, "redis", "db.system.name", "redis", "db.operation.name", cmd.Name())
		err := next(ctx, cmd)
		span.End(failed(err))
		return err
	}
}

func (tracing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, span := telemetry.StartSpan(ctx, "redis", "db.system.name", "redis", "db.operation.name", "pipeline")
		err := next(ctx, cmds)
		span.End(failed(err))
		return err
	}
}

// failed is the error, unless it says that a key is not there.
func failed(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
