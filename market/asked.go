package market

import "slices"

// asked is a question for several values about assets, some of them perhaps more than once.
type asked[K comparable, V any] struct {
	answers  []Answer[V]    // index by index
	last     map[K]int      // where each is asked for last
	before   []int          // index by index: where the same is asked for before that, or none
	distinct []K            // those that can exist, each once, by the assets' present ids
	old      map[int]string // index to the old id that was asked by; most often nil
	named    func(v V, id string) V
}

// none is no index.
const none = -1

// ask sorts a question out. An unknown asset is answered with its fault. One that is asked for by an old id is looked up by
// its present one and answered under the old one, as named says: who knows it goes on finding it.
func ask[K comparable, V any](all *snapshot, keys []K, id func(*K) *string, named func(v V, id string) V) *asked[K, V] {
	a := &asked[K, V]{
		answers: make([]Answer[V], len(keys)), last: make(map[K]int, len(keys)), before: make([]int, len(keys)), distinct: make([]K, 0, len(keys)), named: named,
	}
	keys = slices.Clone(keys)
	for i := range keys {
		asset := id(&keys[i])
		if now := all.canonical(*asset); now != *asset {
			if a.old == nil {
				a.old = make(map[int]string)
			}
			a.old[i], *asset = *asset, now
		}
		if err := all.refuse(*asset); err != nil {
			a.answers[i].Err = err
			continue
		}
		k := keys[i]
		before, again := a.last[k]
		if !again {
			a.distinct = append(a.distinct, k)
			before = none
		}
		a.last[k], a.before[i] = i, before
	}
	return a
}

func (a *asked[K, V]) answer(k K, v V, err error) {
	at, ok := a.last[k]
	if !ok {
		return
	}
	for i := at; i != none; i = a.before[i] {
		a.answers[i] = Answer[V]{v, err}
		if old, ok := a.old[i]; ok && err == nil {
			a.answers[i].Value = a.named(v, old)
		}
	}
}

// failed answers everything with an error.
func failed[V any](n int, err error) []Answer[V] {
	answers := make([]Answer[V], n)
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}
