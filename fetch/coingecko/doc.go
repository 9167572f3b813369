// Package coingecko is one provider: CoinGecko's v3 wire format in, market's types out.
//
// A [Client] makes plain calls. Retries, pauses and time limits are its caller's, who hands each method a [Try] that every
// single HTTP call goes through; what was answered before a call failed is kept.
//
// Answers are read strictly: a body that is not what the reference documents (docs.coingecko.com/reference) is refused
// whole, and nothing of it is used. What the API is known to do in spite of its reference is allowed: arrays of
// different lengths, nulls, repeated and unsorted stamps, jitter, a trailing point of now. See [decodeChart].
package coingecko
