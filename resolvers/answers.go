package resolvers

import (
	"bytes"
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/market"
)

// answers keeps finished answers for whoever asks the same again with the same rights. Only those of compiled operations
// are kept, whose values are all in memory and fresh by the rule for everybody, and only from the second time on that they
// are asked for: what is asked once costs no memory. Nothing is spared but the work: each use is charged, counted and logged
// like any other.
type answers struct {
	kept  *otter.Cache[answerKey, *answer]
	seeds [2]maphash.Seed
	seen  [8192]atomic.Uint64 // what was asked for lately, by a part of its hash
}

// answerKey is a hash of what was asked and of the caller's rights. What was asked is compared as well.
type answerKey [2]uint64

// answer is a finished answer.
type answer struct {
	body      []byte
	hand      *market.Hand
	units     limit.Units
	fields    []string
	operation string // for the log
	value     int    // of its cost
	limits    QueryLimits
	current   bool // nothing in it is older than the rule for everybody allows
	lasting   bool // it may be used again: besides, its prices were at hand

	asked     []byte // the request as it came
	variables string // for the log
	etag      atomic.Pointer[string]

	uses     atomic.Int64
	compress sync.Once
	gzip     []byte // the body, compressed once; nil: it is not worth it
}

// What is compressed: answers that are long enough to be worth it, once they have been used so often.
const (
	compressFrom = 1 << 10 // bytes
	compressUses = 2
)

// compressed is the body as a gzip file; nil: there is none.
func (a *answer) compressed() []byte {
	if len(a.body) < compressFrom || a.uses.Load() < compressUses {
		return nil
	}
	a.compress.Do(func() {
		var out bytes.Buffer
		w, err := gzip.NewWriterLevel(&out, gzip.DefaultCompression)
		if err == nil {
			_, err = w.Write(a.body)
		}
		if err == nil && w.Close() == nil && out.Len() < len(a.body) {
			a.gzip = out.Bytes()
		}
	})
	return a.gzip
}

// cost is what a refusal says of it.
func (a *answer) cost() map[string]any { return costOf(&work{units: a.units, cost: a.value}, a.limits) }

// answerOverhead is about what an answer costs beside its plain bytes.
const answerOverhead = 1 << 10

// newAnswers makes a store of so many bytes; nil: nothing is kept.
func newAnswers(size int64) *answers {
	if size <= 0 {
		return nil
	}
	return &answers{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		kept: otter.Must(&otter.Options[answerKey, *answer]{
			MaximumWeight: uint64(size),
			Weigher:       func(_ answerKey, a *answer) uint32 { return uint32(answerOverhead + len(a.body) + len(a.asked)) },
		}),
	}
}

// key hashes what is asked, by which method, and the caller's role and tier.
func (s *answers) key(ctx context.Context, method string, asked []byte) answerKey {
	actor := auth.ActorOf(ctx)
	var k answerKey
	for i, seed := range s.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.WriteString(method)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(string(actor.Role))
		_ = h.WriteByte(0)
		_, _ = h.WriteString(actor.Tier)
		_ = h.WriteByte(0)
		_, _ = h.Write(asked)
		k[i] = h.Sum64()
	}
	return k
}

// find is the answer to what is asked, if it may be used again.
func (s *answers) find(key answerKey, asked []byte, now time.Time) *answer {
	a, ok := s.kept.GetIfPresent(key)
	if !ok || !bytes.Equal(a.asked, asked) || !a.hand.Usable(now) {
		return nil
	}
	return a
}

// keep keeps an answer whose question was seen before.
func (s *answers) keep(key answerKey, asked, body []byte, a *answer, variables string) {
	if !a.lasting || a.hand.Expires().IsZero() {
		return
	}
	if seen := &s.seen[key[0]%uint64(len(s.seen))]; seen.Load() != key[1] {
		seen.Store(key[1])
		return
	}
	a.asked, a.body, a.variables = bytes.Clone(asked), bytes.Clone(body), variables
	s.kept.Set(key, a)
}

// Asked is what a client asked, as it came: a key for [GraphQL.Again] and [GraphQL.Keep].
type Asked struct {
	text []byte
	key  answerKey
}

// Asked reads what is asked: a body, or a query, and the HTTP method that it came by.
func (g *GraphQL) Asked(ctx context.Context, method string, text []byte) Asked {
	if g.answers == nil {
		return Asked{}
	}
	return Asked{text, g.answers.key(ctx, method, text)}
}

// Again answers what was asked before with the answer that was kept, if there is one: it charges for it, and fails like
// the operation itself where that is refused.
func (g *GraphQL) Again(ctx context.Context, asked Asked) (result Result, variables string, ok bool) {
	if g.answers == nil {
		return result, "", false
	}
	now := g.opts.Now()
	a := g.answers.find(asked.key, asked.text, now)
	if a == nil {
		return result, "", false
	}
	if err := g.resolver.charge(ctx, a.units); err != nil {
		result.Operation, result.cost = a.operation, a.cost()
		return g.refuse(ctx, result, gqlerror.List{{Err: err}}), a.variables, true
	}
	observed := g.observeFields(ctx, a.fields)
	a.hand.Again(ctx, now)
	a.uses.Add(1)
	observed()
	return Result{Body: a.body, Operation: a.operation, answer: a}, a.variables, true
}

// Keep keeps a result for the next who asks the same.
func (g *GraphQL) Keep(asked Asked, r Result, variables string) {
	if g.answers != nil && r.answer != nil && r.answer.asked == nil {
		g.answers.keep(asked.key, asked.text, r.Body, r.answer, variables)
	}
}

// FreshUntil is when the first of the values in the result is due for renewal; zero: that is not known.
func (r Result) FreshUntil() time.Time {
	if r.answer == nil || !r.answer.current {
		return time.Time{}
	}
	return r.answer.hand.Expires()
}

// Compressed is the whole answer as a gzip file, where one was made: once for all who use it; nil: there is none.
func (r Result) Compressed() []byte {
	if r.answer == nil {
		return nil
	}
	return r.answer.compressed()
}

// Tag is a validator of the body, made once by the function given.
func (r Result) Tag(of func(body []byte) string) string {
	if tag := r.answer.etag.Load(); tag != nil {
		return *tag
	}
	tag := of(r.Body)
	r.answer.etag.Store(&tag)
	return tag
}
