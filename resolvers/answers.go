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

// Answers keeps finished answers for whoever asks the same again with the same rights: compiled operations' of GraphQL, and
// REST's. Only those are kept whose values are all in memory and fresh by the rule for everybody, and only from the second time
// on that they are asked for: what is asked once costs no memory. Nothing is spared but the work: each use is charged, counted
// and logged like any other. A nil store keeps nothing.
type Answers struct {
	now   func() time.Time
	kept  *otter.Cache[answerKey, *Answer]
	seeds [2]maphash.Seed
	seen  [8192]atomic.Uint64 // what was asked for lately, by a part of its hash
}

// answerKey is a hash of what was asked and of the caller's rights. What was asked is compared as well.
type answerKey [2]uint64

// Answer is a finished answer. All who use it share it.
type Answer struct {
	Body []byte
	Of   any // what else of it is wanted for using it again: its keeper's own

	made  Made
	asked []byte // the request; nil: it is not kept
	etag  atomic.Pointer[string]

	uses     atomic.Int64
	compress sync.Once
	gzip     []byte // the body, compressed once; nil: it is not worth it
}

// Made is what an answer was made of: how long it holds, and what each use of it costs. The zero value is an answer that may not
// be used again.
type Made struct {
	hand  *market.Hand
	units limit.Units
}

// What is compressed: answers that are long enough to be worth it, once they have been used so often.
const (
	compressFrom = 1 << 10 // bytes
	compressUses = 2
)

// Compressed is the body as a gzip file, where one was made: once for all who use it; nil: there is none.
func (a *Answer) Compressed() []byte {
	if len(a.Body) < compressFrom || a.uses.Load() < compressUses {
		return nil
	}
	a.compress.Do(func() {
		var out bytes.Buffer
		w, err := gzip.NewWriterLevel(&out, gzip.DefaultCompression)
		if err == nil {
			_, err = w.Write(a.Body)
		}
		if err == nil && w.Close() == nil && out.Len() < len(a.Body) {
			a.gzip = out.Bytes()
		}
	})
	return a.gzip
}

// Tag is a validator of the body, made once by the function given.
func (a *Answer) Tag(of func(body []byte) string) string {
	if tag := a.etag.Load(); tag != nil {
		return *tag
	}
	tag := of(a.Body)
	a.etag.Store(&tag)
	return tag
}

// answerOverhead is about what an answer costs beside its plain bytes.
const answerOverhead = 1 << 10

// NewAnswers makes a store of so many bytes; nil: nothing is kept.
func NewAnswers(size int64, now func() time.Time) *Answers {
	if size <= 0 {
		return nil
	}
	return &Answers{
		now:   now,
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		kept: otter.Must(&otter.Options[answerKey, *Answer]{
			MaximumWeight: uint64(size),
			Weigher:       func(_ answerKey, a *Answer) uint32 { return uint32(answerOverhead + len(a.Body) + len(a.asked)) },
		}),
	}
}

// Asked is what a client asked: a key for what is kept. The zero value is a question whose answer is not kept.
type Asked struct {
	text []byte
	key  answerKey
}

// Asked reads what is asked: the HTTP method that it came by, and all else that the answer depends on, but the caller's role and
// tier and the time.
func (s *Answers) Asked(ctx context.Context, method string, text []byte) Asked {
	if s == nil {
		return Asked{}
	}
	actor := auth.ActorOf(ctx)
	asked := Asked{text: text}
	for i, seed := range s.seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.WriteString(method)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(string(actor.Role))
		_ = h.WriteByte(0)
		_, _ = h.WriteString(actor.Tier)
		_ = h.WriteByte(0)
		_, _ = h.Write(text)
		asked.key[i] = h.Sum64()
	}
	return asked
}

// find is the answer to what is asked, if it may be used again at the time given; nil: there is none.
func (s *Answers) find(asked Asked) (a *Answer, now time.Time) {
	if s == nil || asked.text == nil {
		return nil, now
	}
	a, ok := s.kept.GetIfPresent(asked.key)
	if !ok || !bytes.Equal(a.asked, asked.text) {
		return nil, now
	}
	if now = s.now(); !a.made.hand.Usable(now) {
		return nil, now
	}
	return a, now
}

// use notes that an answer that was found is given to somebody else.
func (a *Answer) use(ctx context.Context, now time.Time) {
	a.made.hand.Again(ctx, now)
	a.uses.Add(1)
}

// Keep keeps an answer for the next who asks the same, if it was asked for before: its body, what it was made of, and what else is
// wanted with it.
func (s *Answers) Keep(asked Asked, made Made, body []byte, of any) {
	if s == nil || asked.text == nil || made.hand == nil || made.hand.Expires().IsZero() {
		return
	}
	if seen := &s.seen[asked.key[0]%uint64(len(s.seen))]; seen.Load() != asked.key[1] {
		seen.Store(asked.key[1])
		return
	}
	s.kept.Set(asked.key, &Answer{Body: bytes.Clone(body), Of: of, made: made, asked: bytes.Clone(asked.text)})
}

// Again is the answer that was kept to what is asked, and charges for it. It is nil where there is none, and with an error where
// it is refused.
func (r *Resolver) Again(ctx context.Context, asked Asked) (*Answer, error) {
	a, now := r.Answers.find(asked)
	if a == nil {
		return nil, nil //nolint:nilnil // it is made anew then
	}
	if err := r.charge(ctx, a.made.units); err != nil {
		return nil, err
	}
	a.use(ctx, now)
	return a, nil
}

// operation is what is known of an operation whose answer was written at once.
type operation struct {
	label     string // names it in the log
	variables string // likewise
	fields    []string
	cost      int
	limits    QueryLimits
	expires   time.Time // when the first of its values is due for renewal; zero: one is older than the rule for everybody allows
}

// Asked reads what is asked: a body, or a query, and the HTTP method that it came by.
func (g *GraphQL) Asked(ctx context.Context, method string, text []byte) Asked {
	return g.resolver.Answers.Asked(ctx, method, text)
}

// Again answers what was asked before with the answer that was kept, if there is one: it charges for it, and fails like
// the operation itself where that is refused.
func (g *GraphQL) Again(ctx context.Context, asked Asked) (result Result, variables string, ok bool) {
	a, now := g.resolver.Answers.find(asked)
	if a == nil {
		return result, "", false
	}
	of := a.Of.(*operation)
	result.Operation = of.label
	if err := g.resolver.charge(ctx, a.made.units); err != nil {
		result.cost = costOf(&work{units: a.made.units, cost: of.cost}, of.limits)
		return g.refuse(ctx, result, gqlerror.List{{Err: err}}), of.variables, true
	}
	observed := g.observeFields(ctx, of.fields)
	a.use(ctx, now)
	observed()
	result.Body, result.quick, result.kept = a.Body, of, a
	return result, of.variables, true
}

// Keep keeps a result for the next who asks the same.
func (g *GraphQL) Keep(asked Asked, r Result, variables string) {
	if r.quick != nil && r.kept == nil {
		r.quick.variables = variables
		g.resolver.Answers.Keep(asked, r.made, r.Body, r.quick)
	}
}

// FreshUntil is when the first of the values in the result is due for renewal; zero: that is not known.
func (r Result) FreshUntil() time.Time {
	if r.quick == nil {
		return time.Time{}
	}
	return r.quick.expires
}

// Compressed is the whole answer as a gzip file, where one was made; nil: there is none.
func (r Result) Compressed() []byte {
	if r.kept == nil {
		return nil
	}
	return r.kept.Compressed()
}

// Tag is a validator of the body, made by the function given.
func (r Result) Tag(of func(body []byte) string) string {
	if r.kept == nil {
		return of(r.Body)
	}
	return r.kept.Tag(of)
}
