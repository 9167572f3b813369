// Package cryptoquant is one provider: CryptoQuant's v1 wire format in, market's series of on-chain metrics out.
//
// What a metric is called there stands in one table ([metrics]); the names that no recorded answer shows are marked in it.
// Answers come newest first and are sorted; a row whose value's key is not the table's refuses the whole answer, as do a
// stamp off the grid, text for a number, and a negative amount of what cannot be negative. A null stays null.
//
// A row covers the period that its stamp begins. That of the running period changes until the period is over: it is not
// among the points, and not covered. Rows of past days are revised at times; whoever stores them buys them again.
//
// How far back the plan reaches is asked of CryptoQuant itself, once a day, with the first question: by endpoint and
// window. As long as that cannot be had, nothing is held back.
package cryptoquant
