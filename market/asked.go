package market

import (
	"hash/maphash"
	"math/bits"
)

// asked is a question for several values about assets, some of them perhaps more than once.
type asked[K comparable, V any] struct {
	answers  []Answer[V]    // index by index
	distinct []K            // those that can exist, each once, by the assets' present ids
	last     []int          // of each of the distinct: where it is asked for last
	before   []int          // index by index: where the same is asked for before that, or none; nil: nothing is asked for twice
	old      map[int]string // index to the old id that was asked by; most often nil
	named    func(v V, id string) V
}

// none is no index.
const none = -1

// ask sorts a question out. An unknown asset is answered with its fault. One that is asked for by an old id is looked up by
// its present one and answered under the old one, as named says: who knows it goes on finding it.
func ask[K comparable, V any](all *snapshot, keys []K, id func(*K) *string, named func(v V, id string) V) *asked[K, V] {
	a := &asked[K, V]{answers: make([]Answer[V], len(keys)), distinct: make([]K, 0, len(keys)), last: make([]int, 0, len(keys)), named: named}
	known := newIndex(len(keys))
	var asset, now string // the last one, of which mostly several keys follow each other, and its present id
	var refused error
	for i := range keys {
		n := len(a.distinct)
		a.distinct = append(a.distinct, keys[i])
		k := &a.distinct[n]
		if its := id(k); i == 0 || *its != asset {
			asset, now = *its, all.canonical(*its)
			refused = all.refuse(now)
		}
		if refused != nil {
			a.answers[i].Err = refused
			a.distinct = a.distinct[:n]
			continue
		}
		if now != asset {
			if a.old == nil {
				a.old = make(map[int]string)
			}
			a.old[i], *id(k) = asset, now
		}
		if at := find(known, a.distinct); at < n {
			a.distinct = a.distinct[:n]
			a.again(at, i)
			continue
		}
		a.last = append(a.last, i)
	}
	return a
}

// again notes that the one of the distinct is asked for once more.
func (a *asked[K, V]) again(n, i int) {
	if a.before == nil {
		a.before = make([]int, len(a.answers))
		for i := range a.before {
			a.before[i] = none
		}
	}
	a.before[i], a.last[n] = a.last[n], i
}

// answer answers for one of the distinct.
func (a *asked[K, V]) answer(n int, v V, err error) {
	for i := a.last[n]; i != none; {
		a.answers[i] = Answer[V]{v, err}
		if old, ok := a.old[i]; ok && err == nil {
			a.answers[i].Value = a.named(v, old)
		}
		if a.before == nil {
			return
		}
		i = a.before[i]
	}
}

// drop takes away those of the distinct that are answered already.
func (a *asked[K, V]) drop(answered func(n int) bool) {
	left := 0
	for n := range a.distinct {
		if !answered(n) {
			a.distinct[left], a.last[left] = a.distinct[n], a.last[n]
			left++
		}
	}
	a.distinct, a.last = a.distinct[:left], a.last[:left]
}

// index finds elements of a list by their values. Its length is a power of two, and at least twice that of the list.
type index []int32 // their indices, one more than each; 0: there is none

func newIndex(most int) index { return make(index, 2<<bits.Len(uint(most))) }

var indexSeed = maphash.MakeSeed()

// find is where the list's last element stands first in it. Each of its other elements must have been sought before, and found to be new.
func find[K comparable](in index, list []K) int {
	last := len(list) - 1
	for at := maphash.Comparable(indexSeed, list[last]); ; at++ {
		switch slot := &in[at%uint64(len(in))]; {
		case *slot == 0:
			*slot = int32(last) + 1
			return last
		case list[*slot-1] == list[last]:
			return int(*slot - 1)
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
