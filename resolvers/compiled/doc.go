// Package compiled answers the operations that ask for markets and nothing else, without an executor: what such an
// operation asks for and how its answer is written is worked out once for its document, and then an answer is a few
// look-ups and one body to which finished texts are appended. No list starts a goroutine for each of its elements, and no
// value is put into a box.
//
// It knows only what goes well. Whatever is not wholly in order (a field or a directive it has no writer for, a variable
// that is absent or of another type, an argument that would be refused, an asset under an old id, an error) it leaves to
// gqlgen's executor, which therefore says alone what is wrong with an operation and how errors look. A test asks both for
// the same operations and compares the bytes.
//
//	Compile   of a document's operation, once
//	Bind      with the variables of a request: what is asked for, its units and its cost
//	Append    the answer, once everything asked for was found
package compiled
