package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/coingraph/coingraph/resolvers"
)

// asked is what a request to the operation asks for, where its answer may be kept: the form of the answer, if it comes in several,
// the query and the path, as they came. A query with parameters that are not declared, or that are spelt otherwise, is not
// kept: it could hold anything, a key too.
func (h *Handler) asked(r *http.Request, op *operation, formats bool) resolvers.Asked {
	if h.opts.Resolver.Answers == nil || r.URL.RawPath != "" || !op.declares(r.URL.RawQuery) {
		return resolvers.Asked{}
	}
	media := ""
	if formats {
		media, _ = preferred(r.Header["Accept"], rowFormats...) // what none of them suits is refused, or has its format in the query
	}
	text := make([]byte, 0, len(media)+len(r.URL.RawQuery)+len(r.URL.Path)+2)
	text = append(append(text, media...), '\n') // which is in no query, and in no media type
	text = append(append(text, r.URL.RawQuery...), '\n')
	text = append(text, r.URL.Path...)
	return h.opts.Resolver.Answers.Asked(r.Context(), r.Method, text)
}

// declares tells whether all parameters of a query are declared, and spelt as that.
func (op *operation) declares(query string) bool {
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if !slices.ContainsFunc(op.parameters, func(declared parameter) bool { return declared.name == name && !declared.inPath }) {
			return false
		}
	}
	return true
}

// again answers what was asked before with the answer that was kept, if there is one: it is charged for, and fails like the
// operation itself where that is refused.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, asked resolvers.Asked) (done bool, err error) {
	kept, err := h.opts.Resolver.Again(r.Context(), asked)
	if kept == nil {
		return false, err
	}
	a := *kept.Of.(*rendering) // nobody else's question has a line break in it: GraphQL's by GET are queries alone
	a.body, a.etag = kept.Body, kept.Tag(entityTag)
	// As the middleware has it: of what clients take zstd rather than gzip, and for HEAD nothing.
	if accepted := r.Header["Accept-Encoding"]; len(accepted) > 0 && r.Method != http.MethodHead && takesGzipOnly(accepted) {
		if compressed := kept.Compressed(); compressed != nil {
			a.body, a.encoding = compressed, gzipped
		}
	}
	return true, h.data(w, r, a)
}

// takesGzipOnly tells whether a client takes gzip by name, and does not speak of zstd.
func takesGzipOnly(accepted []string) bool {
	speaksOf := func(what string) func(string) bool {
		return func(v string) bool { return strings.Contains(v, what) }
	}
	return acceptsGzip(accepted) && !slices.ContainsFunc(accepted, speaksOf("zstd")) && !slices.ContainsFunc(accepted, speaksOf("*"))
}

// dataFor is data for the parameters of a request, which is kept for whoever asks the same again.
func (h *Handler) dataFor(w http.ResponseWriter, r *http.Request, p *parameters, made resolvers.Made, a rendering) error {
	of := a
	of.body = nil // the store has its own
	h.opts.Resolver.Answers.Keep(p.asked, made, a.body, &of)
	return h.data(w, r, a)
}
