package market

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Metric is an on-chain metric: what an asset's blockchain, rather than its market, tells. Its name is in lower case, as
// in REST, cache keys and the database; GraphQL's enum has it in upper case. The empty value is no metric.
type Metric string

// The metrics. Flows are of all exchanges that the provider watches, in units of the asset.
const (
	ExchangeNetflow  Metric = "exchange_netflow" // inflow less outflow: negative when more leaves
	ExchangeInflow   Metric = "exchange_inflow"
	ExchangeOutflow  Metric = "exchange_outflow"
	ExchangeReserve  Metric = "exchange_reserve"
	MVRV             Metric = "mvrv" // market value over realized value
	SOPR             Metric = "sopr" // spent output profit ratio
	NUPL             Metric = "nupl" // net unrealized profit and loss, as a part of the market value
	ActiveAddresses  Metric = "active_addresses"
	TransactionCount Metric = "transaction_count"
	Fees             Metric = "fees"
	HashRate         Metric = "hash_rate"
	Difficulty       Metric = "difficulty"
)

var allMetrics = [...]Metric{
	ExchangeNetflow, ExchangeInflow, ExchangeOutflow, ExchangeReserve, MVRV, SOPR, NUPL, ActiveAddresses, TransactionCount, Fees, HashRate, Difficulty,
}

// AllMetrics are the metrics, in the order of the schema.
func AllMetrics() []Metric { return slices.Clone(allMetrics[:]) }

// ParseMetric reads a metric's name, in lower case.
func ParseMetric(s string) (Metric, bool) {
	m := Metric(s)
	return m, m.Valid()
}

// Valid tells whether there is such a metric.
func (m Metric) Valid() bool { return slices.Contains(allMetrics[:], m) }

// MarshalGQL writes the GraphQL enum value: EXCHANGE_NETFLOW.
func (m Metric) MarshalGQL(w io.Writer) {
	_, _ = io.WriteString(w, strconv.Quote(strings.ToUpper(string(m))))
}

// UnmarshalGQL reads the GraphQL enum value.
func (m *Metric) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	read, ok := ParseMetric(strings.ToLower(s))
	if !ok || s != strings.ToUpper(s) {
		return fmt.Errorf("not an on-chain metric")
	}
	*m = read
	return nil
}

// metricDescriptions say what the values mean, as the schema's enum does.
var metricDescriptions = map[Metric]string{
	ExchangeNetflow:  "What flowed into the exchanges' wallets less what flowed out: negative when more left. In units of the asset.",
	ExchangeInflow:   "What flowed into the exchanges' wallets, in units of the asset.",
	ExchangeOutflow:  "What flowed out of the exchanges' wallets, in units of the asset.",
	ExchangeReserve:  "What lies in the exchanges' wallets, in units of the asset.",
	MVRV:             "Market value over realized value: the market capitalisation over what all units cost when they last moved.",
	SOPR:             "Spent output profit ratio: what spent outputs were worth over what they cost; above 1 they were sold at a profit.",
	NUPL:             "Net unrealized profit and loss: market value less realized value, as a part of the market value.",
	ActiveAddresses:  "How many addresses sent or received.",
	TransactionCount: "How many transactions were confirmed.",
	Fees:             "What transactions paid in fees, in units of the asset.",
	HashRate:         "The estimated computing power of all miners.",
	Difficulty:       "How hard it is to find a block.",
}

// Description says what the metric's values mean.
func (m Metric) Description() string { return metricDescriptions[m] }

// Offer says that a provider has a metric of an asset.
type Offer struct {
	Metric    Metric
	Asset     string
	Intervals []Interval
	Unit      string    // of the values: "BTC", "ratio", "addresses", …
	Since     time.Time // the first instant that the provider, with our plan, has; zero: not known
	Provider  string
}
