package auth

// CreatedKey is a new key with its secret, for whoever asked for it.
type CreatedKey struct {
	Key    StoredKey
	Secret string
}
