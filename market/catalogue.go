package market

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/relay"
)

// catalogue is the list of all assets, in memory. It is loaded by the first who needs it, from the store if it has one,
// and renewed behind everybody's back by [Service.RunCatalogue].
type catalogue struct {
	current atomic.Pointer[snapshot]
	loading flight[struct{}, *snapshot]
}

// snapshot is the catalogue at one time. It never changes.
type snapshot struct {
	assets    []Asset        // ascending by id
	byID      map[string]int // into assets
	haystack  []string       // what search looks in, lower case, index by index
	words     func() *words  // by names and symbols
	fetchedAt time.Time
	aliases   map[string]string // old ids to present ones
}

const (
	catalogueAge   = 6 * time.Hour    // a catalogue older than this is fetched again
	catalogueCheck = 10 * time.Minute // how often the store is asked whether another replica has fetched it
	catalogueRetry = 15 * time.Second // how soon a failed load is tried again
)

func newSnapshot(assets []Asset, fetchedAt time.Time) *snapshot {
	s := &snapshot{assets: slices.Clone(assets), byID: make(map[string]int, len(assets)), haystack: make([]string, len(assets)), fetchedAt: fetchedAt}
	slices.SortFunc(s.assets, func(a, b Asset) int { return cmp.Compare(a.ID, b.ID) })
	for i, a := range s.assets {
		s.byID[a.ID] = i
		s.haystack[i] = strings.ToLower(a.ID + "\x00" + a.Symbol + "\x00" + a.Name)
	}
	s.words = sync.OnceValue(s.newWords)
	return s
}

// refuse is the fault of an id that is not in the catalogue; nil: it is.
func (s *snapshot) refuse(id string) error {
	if _, ok := s.byID[id]; !ok {
		return unknownAsset(id)
	}
	return nil
}

func (s *snapshot) asset(id string) Asset { return s.assets[s.byID[id]] }

// snapshot is the current catalogue; the first caller loads it, and the others wait for that.
func (s *Service) snapshot(ctx context.Context) (*snapshot, error) {
	if now := s.catalogue.current.Load(); now != nil {
		return now, nil
	}
	return s.reload(ctx)
}

// reload loads the catalogue anew, or waits for whoever does so already.
func (s *Service) reload(ctx context.Context) (*snapshot, error) {
	calls := s.catalogue.loading.join([]struct{}{{}}, func(owned []struct{}, settle func(struct{}, *snapshot, error)) {
		ctx, cancel := s.detach(ctx)
		defer cancel()
		defer settleOnPanic(s, owned, settle)
		loaded, err := s.loadCatalogue(ctx)
		settle(struct{}{}, loaded, err)
	})
	return calls[0].wait(ctx)
}

// loadCatalogue takes the newest list: the one in memory, a newer one of the store, or, if that is too old, the
// provider's. A list that is too old is better than none.
func (s *Service) loadCatalogue(ctx context.Context) (*snapshot, error) {
	current := s.catalogue.current.Load()
	var since time.Time
	if current != nil {
		since = current.fetchedAt
	}
	s.visitStore(ctx, "catalogue", func(ctx context.Context) error {
		assets, fetchedAt, err := s.opts.Store.Catalogue(ctx, since)
		if err == nil && len(assets) > 0 && fetchedAt.After(since) {
			current = newSnapshot(assets, fetchedAt)
		}
		return err
	})
	if current == nil || s.opts.Now().Sub(current.fetchedAt) > catalogueAge {
		assets, err := s.opts.Source.Assets(ctx)
		switch {
		case err == nil:
			current = newSnapshot(assets, s.opts.Now())
			s.visitStore(ctx, "save catalogue", func(ctx context.Context) error {
				return s.opts.Store.SaveCatalogue(ctx, current.assets, current.fetchedAt)
			})
		case current == nil:
			return nil, err
		default:
			s.opts.Log.WarnContext(ctx, "the catalogue could not be renewed", "event", "catalogue.refresh", "fetched_at", current.fetchedAt, "error", err)
		}
	}
	if current = s.withAliases(ctx, current); s.catalogue.current.Swap(current) != current {
		s.board.clear()
		s.opts.Log.InfoContext(ctx, "catalogue loaded", "event", "catalogue.refresh", "assets", len(current.assets), "fetched_at", current.fetchedAt)
	}
	return current, nil
}

// withAliases is the list with what the store knows of renamed ids; the same list if that is nothing new.
func (s *Service) withAliases(ctx context.Context, list *snapshot) *snapshot {
	var aliases []Alias
	known := false
	s.visitStore(ctx, "aliases", func(ctx context.Context) error {
		var err error
		aliases, err = s.opts.Store.Aliases(ctx)
		known = err == nil
		return err
	})
	byOld := make(map[string]string, len(aliases))
	for _, a := range aliases {
		byOld[a.Old] = a.New
	}
	if !known || maps.Equal(byOld, list.aliases) {
		return list
	}
	renewed := *list
	renewed.aliases = byOld
	return &renewed
}

// RunCatalogue loads the catalogue and keeps it new until the context ends.
func (s *Service) RunCatalogue(ctx context.Context) {
	for {
		wait := catalogueCheck
		if _, err := s.reload(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.WarnContext(ctx, "the catalogue could not be loaded", "event", "catalogue.refresh", "error", err)
			wait = catalogueRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// Asset is the asset with the id; fault.NotFound when there is none.
func (s *Service) Asset(ctx context.Context, id string) (Asset, error) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return Asset{}, err
	}
	now := all.canonical(id)
	if _, ok := all.byID[now]; !ok {
		return Asset{}, unknownAsset(id)
	}
	asset := all.asset(now)
	asset.ID = id
	return asset, nil
}

// Assets is a page of the assets that the query selects. Ids that are unknown are left out of the page and given apart.
func (s *Service) Assets(ctx context.Context, q AssetQuery) (page *AssetPage, unknown []string, err error) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	var found []ranked
	needle := strings.ToLower(q.Search)
	if q.IDs == nil {
		for i := range all.assets {
			if rank, ok := all.rank(i, needle); ok {
				found = append(found, ranked{strconv.Itoa(rank) + all.assets[i].ID, i, all.assets[i].ID})
			}
		}
		if needle != "" {
			slices.SortFunc(found, func(a, b ranked) int { return cmp.Compare(a.position, b.position) })
		}
	} else {
		for n, id := range q.IDs {
			i, ok := all.byID[all.canonical(id)]
			if !ok {
				unknown = append(unknown, id)
				continue
			}
			if _, ok := all.rank(i, needle); ok {
				found = append(found, ranked{"#" + string([]byte{byte(n >> 8), byte(n)}), i, id})
			}
		}
	}

	start := 0
	if q.After != "" {
		// Positions ascend, so a reader goes on where it was even if the catalogue has changed in between.
		start, _ = slices.BinarySearchFunc(found, q.After, func(r ranked, after string) int {
			if r.position <= after {
				return -1
			}
			return 1
		})
	}
	end := min(start+q.First, len(found))
	page = &AssetPage{Nodes: make([]Asset, 0, end-start), TotalCount: len(found)}
	for _, r := range found[start:end] {
		page.Nodes = append(page.Nodes, all.assets[r.index])
		page.Nodes[len(page.Nodes)-1].ID = r.id
		page.cursors = append(page.cursors, relay.Cursor(r.position))
	}
	page.PageInfo.HasNextPage = end < len(found)
	if n := len(page.cursors); n > 0 {
		page.PageInfo.EndCursor = &page.cursors[n-1]
	}
	return page, unknown, nil
}

// ranked is an asset's place in a list, and the position that a cursor holds.
type ranked struct {
	position string
	index    int
	id       string // as it was asked for
}

// rank is how well an asset matches: 0 its id or symbol is the needle, 1 one of them begins with it, 2 its name begins with
// it, 3 it is somewhere in them.
func (s *snapshot) rank(i int, needle string) (int, bool) {
	if needle == "" {
		return 0, true
	}
	if !strings.Contains(s.haystack[i], needle) {
		return 0, false
	}
	id, rest, _ := strings.Cut(s.haystack[i], "\x00")
	symbol, name, _ := strings.Cut(rest, "\x00")
	switch {
	case id == needle || symbol == needle:
		return 0, true
	case strings.HasPrefix(id, needle) || strings.HasPrefix(symbol, needle):
		return 1, true
	case strings.HasPrefix(name, needle):
		return 2, true
	}
	return 3, true
}

// UnknownAssets is the fault that names ids the catalogue does not have.
func UnknownAssets(ids []string) error {
	if len(ids) == 1 {
		return unknownAsset(ids[0])
	}
	return fault.New(fault.NotFound, "there are no assets %q", ids)
}
