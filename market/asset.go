package market

// Asset is one coin or token, under CoinGecko's id.
type Asset struct {
	ID     string `json:"id"`     // unique, lower case: "bitcoin"
	Symbol string `json:"symbol"` // not unique, may be empty: "btc"
	Name   string `json:"name"`
	// Contracts are the asset's contracts, each as platform:address, ascending and separated by commas: what proves that an id
	// was renamed. "" of a coin that has none.
	Contracts string `json:"-"`
}

// AssetIDMessage says what an asset id is made of.
const AssetIDMessage = "must be an asset id: 1 to 128 lower-case letters, digits and - _ . [ ] or inner blanks, such as bitcoin"

// ValidAssetID tells whether a string has the form of an asset id. The set of characters is that of CoinGecko's
// catalogue (which has "_", "0x", "1move token" and "boringdao-[old]"), and holds none that means something in a cache
// key, a path or a line of a log.
func ValidAssetID(id string) bool {
	if len(id) == 0 || len(id) > 128 || id[0] == ' ' || id[0] == '.' || id[len(id)-1] == ' ' {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '[', c == ']', c == ' ':
		case c == '.' && id[i-1] != '.':
		default:
			return false
		}
	}
	return true
}
