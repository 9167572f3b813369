package market

// asked is a question for several values, some of them perhaps more than once.
type asked[K comparable, V any] struct {
	answers  []Answer[V] // index by index
	at       map[K][]int // where each is asked for
	distinct []K         // those that can exist, each once
}

// ask sorts a question out. What refuse gives an error for is answered with that.
func ask[K comparable, V any](keys []K, refuse func(K) error) *asked[K, V] {
	a := &asked[K, V]{answers: make([]Answer[V], len(keys)), at: make(map[K][]int, len(keys)), distinct: make([]K, 0, len(keys))}
	for i, k := range keys {
		if err := refuse(k); err != nil {
			a.answers[i].Err = err
			continue
		}
		if a.at[k] == nil {
			a.distinct = append(a.distinct, k)
		}
		a.at[k] = append(a.at[k], i)
	}
	return a
}

func (a *asked[K, V]) answer(k K, v V, err error) {
	for _, i := range a.at[k] {
		a.answers[i] = Answer[V]{v, err}
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
