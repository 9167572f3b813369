package web

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/web/openapi"
)

// operation declares one REST route. The router is built from it, its parameters are checked by it, and /openapi.json is
// written from it, so that none of the three can say what another does not.
type operation struct {
	method, path string // the path is chi's pattern, which is OpenAPI's template: /coins/{id}/ohlc
	id           string // operationId
	summary      string
	description  string // Markdown
	tag          string // the name of one of tags
	access       access
	parameters   []parameter
	closed       bool // a parameter that is not declared is refused; else it is ignored
	reused       bool // what it answers may be kept for whoever asks the same again
	answers      []answer
	faults       []fault.Kind // beside those that its access and its parameters bring
	form         *errorForm   // of its errors; nil: problems

	// check names what is wrong with parameters that do not fit each other; nil: nothing can be. It also runs when single
	// parameters are wrong, so that all is listed at once.
	check func(p *parameters) []fault.Field
	// serve answers. All parameters are as declared then.
	serve func(w http.ResponseWriter, r *http.Request, p *parameters) error

	// ownReading: the handler reads and checks the request itself, and gets no parameters.
	ownReading bool
	body       *openapi.RequestBody // what a POST takes
}

// access is who may ask.
type access struct {
	schemes   []string // names of security schemes, any one of which will do; none: open
	keyless   bool     // and nobody in particular may ask as well, where the operator allows it
	admin     bool     // the role must be admin
	faults    []fault.Kind
	withLimit bool // of time and body
	identify  func(http.Handler) http.Handler
}

// open is access for anybody.
func (h *Handler) open() access { return access{} }

// keyed is access for whoever shows a key or a JWT.
func (h *Handler) keyed() access {
	return access{
		schemes: []string{schemeKey, schemeJWT}, withLimit: true, identify: h.authenticate,
		faults: []fault.Kind{fault.Unauthenticated, fault.RateLimited, fault.StoreUnavailable, fault.Internal},
	}
}

// adminOnly is access for admins, who may take longer.
func (h *Handler) adminOnly() access {
	a := h.keyed()
	a.admin, a.withLimit, a.faults = true, false, append(a.faults, fault.Forbidden)
	return a
}

// answer is what an operation answers when all is well.
type answer struct {
	status      int // 0: 200
	description string
	headers     []string // names of the shared headers it has beside those of every answer
	content     []content
}

// content is an answer's body in one media type.
type content struct {
	media   string
	schema  *openapi.Schema
	example any
}

// errorForm is how the errors of an operation look in the document. [Handler.fail] writes them.
type errorForm struct {
	media  string
	others []string // media types that it also comes in
	schema *openapi.Schema
	body   func(f *fault.Error, requestID string, at time.Time) any
	status func(fault.Kind) int // nil: [fault.Kind.Status]
}

func (e *errorForm) statusOf(k fault.Kind) int {
	if e.status == nil {
		return k.Status()
	}
	return e.status(k)
}

// handler serves the operation: who asks and what is asked are checked before it runs.
func (h *Handler) handler(op *operation) http.HandlerFunc {
	formats := slices.ContainsFunc(op.parameters, func(p parameter) bool { return p.name == formatParameter.name })
	return h.handle(func(w http.ResponseWriter, r *http.Request) error {
		if op.access.admin {
			if err := auth.Require(r.Context(), auth.Admin); err != nil {
				return err
			}
		}
		if op.ownReading {
			return op.serve(w, r, nil)
		}
		var asked resolvers.Asked
		if op.reused {
			asked = h.asked(r, op, formats)
			if done, err := h.again(w, r, asked); done || err != nil {
				return err
			}
		}
		p, err := op.read(r)
		if err != nil {
			return err
		}
		p.asked = asked
		return op.serve(w, r, p)
	})
}

// read gives the parameters of a request, or a fault that lists everything that is wrong with them.
func (op *operation) read(r *http.Request) (*parameters, error) {
	p, err := parse(r)
	if err != nil {
		return nil, err
	}
	p.op, p.arguments = op, make([]argument, len(op.parameters))
	for i := range op.parameters {
		declared := &op.parameters[i]
		p.arguments[i] = p.argument(r, declared)
		if a := &p.arguments[i]; a.needsCheck(declared) {
			p.bad = append(p.bad, declared.values.check(declared.name, *a)...)
		}
	}
	if op.closed {
		op.refuseOthers(p)
	}
	if op.check != nil {
		return p, p.fields(fault.Invalid(op.check(p)...))
	}
	return p, fault.Invalid(p.bad...)
}

// refuseOthers refuses parameters that are not declared.
func (op *operation) refuseOthers(p *parameters) {
	for _, name := range slices.Sorted(maps.Keys(p.query)) {
		if !slices.ContainsFunc(op.parameters, func(declared parameter) bool { return declared.name == name && !declared.inPath }) {
			p.refuse(shown(name), "is not one of the parameters that there are")
		}
	}
}

// parameter declares one parameter of an operation.
type parameter struct {
	name        string
	inPath      bool // else it is in the query
	required    bool
	description string
	fallback    string // what is read where it is absent; "": nothing
	values      values
	example     string
}

// values is the set of values that a parameter takes.
type values struct {
	schema *openapi.Schema
	list   int                                              // above 0: separated by commas, cut at so many
	check  func(field string, value argument) []fault.Field // nil: any text
}

// argument is the value of a parameter in a request.
type argument struct {
	text  string
	list  []string // of a list
	twice bool     // given several times, which is refused already
}

// needsCheck leaves out what no check could take for a value: an optional parameter that is absent or empty.
func (a *argument) needsCheck(declared *parameter) bool {
	return declared.values.check != nil && !a.twice && (a.text != "" || declared.required || declared.fallback != "")
}

func (p *parameters) argument(r *http.Request, declared *parameter) argument {
	var a argument
	switch given := p.query[declared.name]; {
	case declared.inPath:
		a.text = pathParameter(r, declared.name)
	case len(given) > 1:
		p.refuse(declared.name, mustBeOnce)
		a.twice = true
		return a
	case len(given) == 1:
		a.text = given[0]
	default:
		a.text = declared.fallback
	}
	if declared.values.list > 0 {
		a.list = splitList(a.text, declared.values.list)
	}
	return a
}

// of finds an argument by the name of its parameter, which must be declared: what the document does not have, no handler
// reads.
func (p *parameters) of(name string) *argument {
	for i := range p.op.parameters {
		if p.op.parameters[i].name == name {
			return &p.arguments[i]
		}
	}
	panic("the operation " + p.op.id + " declares no parameter " + name)
}

// text is the value of a parameter, or its fallback; "" where there is neither.
func (p *parameters) text(name string) string { return p.of(name).text }

// list is the value of a parameter that is a list; empty where it is absent.
func (p *parameters) list(name string) []string { return p.of(name).list }

// route adds an operation to the router, behind the middleware of its access.
func (h *Handler) route(r chi.Router, op *operation) {
	if !op.ownReading && op.access.withLimit {
		r = r.With(compressed)
	}
	if op.access.withLimit {
		r = r.With(h.limit)
	}
	if op.access.identify != nil {
		r = r.With(op.access.identify)
	}
	r.Method(op.method, op.path, h.handler(op))
}
