package market

import (
	"context"
	"testing"
)

func TestSettlingAKeyAgainLeavesTheNextCallAlone(t *testing.T) {
	var f flight[string, int]
	var settleFirst func(string, int, error)
	handed := make(chan struct{})
	first := f.join([]string{"a"}, func(_ []string, settle func(string, int, error)) {
		settleFirst = settle
		settle("a", 1, nil)
		close(handed)
	})
	<-handed
	proceed := make(chan struct{})
	second := f.join([]string{"a"}, func(_ []string, settle func(string, int, error)) {
		<-proceed
		settle("a", 2, nil)
	})
	settleFirst("a", 3, nil)
	close(proceed)
	for want, calls := range map[int][]*call[int]{1: first, 2: second} {
		if got, err := calls[0].wait(context.Background()); got != want || err != nil {
			t.Errorf("got %d %v, want %d", got, err, want)
		}
	}
}
