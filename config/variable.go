package config

// section is a group of variables in the reference.
type section struct {
	title string
	vars  []variable
}

// variable declares an environment variable.
type variable struct {
	name   string
	def    preset
	value  value
	doc    string
	secret bool
}

// preset is a variable's default in the variable's own syntax; "" is not set.
type preset struct {
	dev, prod string
	shown     string // what the reference says instead of the default, where that depends on more
}

func (p preset) of(env Env) string {
	if env == Prod {
		return p.prod
	}
	return p.dev
}

func always(text string) preset     { return preset{dev: text, prod: text} }
func byEnv(dev, prod string) preset { return preset{dev: dev, prod: prod} }
func unset(meaning string) preset   { return preset{shown: meaning} }

// value is a variable's syntax together with the field that it fills.
type value struct {
	takes string
	set   func(*Config, string) error
}

// into makes a value of a kind and a field.
func into[T any](k kind[T], field func(*Config) *T) value {
	return value{k.takes, func(c *Config, text string) error {
		v, err := k.parse(text)
		if err != nil {
			return err
		}
		*field(c) = v
		return nil
	}}
}

// The providers' names.
const (
	coingecko   = "coingecko"
	cryptoquant = "cryptoquant"
	coinmetrics = "coinmetrics"
	coinpaprika = "coinpaprika"
	binance     = "binance"
)

// fallback makes a value of a kind and a field of a further provider.
func fallback[T any](provider string, k kind[T], field func(*Provider) *T) value {
	return value{k.takes, func(c *Config, text string) error {
		v, err := k.parse(text)
		if err != nil {
			return err
		}
		p := c.Fallbacks[provider]
		*field(&p) = v
		if c.Fallbacks == nil {
			c.Fallbacks = map[string]Provider{}
		}
		c.Fallbacks[provider] = p
		return nil
	}}
}
