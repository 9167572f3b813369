package coingraph_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/coingraph/coingraph"

// everything is what may be imported where all may be.
const everything = "*"

// arrows says which packages of ours each package may import. What is not listed is not allowed; telemetry, which only
// observes, is open to all, cmd to nobody. A row for dir/* holds for the directories below that have none of their own.
// docs/design.md says why.
var arrows = map[string][]string{
	"fault":      {},
	"config":     {},
	"migrations": {},
	"telemetry":  {},
	"relay":      {"fault"},
	"market":     {"fault", "relay"},
	"auth":       {"fault"},
	"limit":      {"fault", "pipeline"},
	"pipeline":   {},
	"bill":       {"limit/quota", "auth", "fault"},
	"audit":      {"auth", "fault", "relay"},
	"jobs":       {"market", "auth", "relay", "fault"},
	"history":    {"market"},
	"loaders":    {"market"},

	"store":           {"market", "auth", "audit", "limit", "limit/quota", "bill", "jobs", "fault", "migrations"},
	"store/storetest": {"market", "auth", "audit", "limit", "limit/quota", "bill", "jobs", "fault", "migrations", "store"},
	"cache":           {"market", "pipeline"},
	"cache/cachetest": {"market", "cache"},
	"auth/authtest":   {"auth", "fault"},
	"limit/limittest": {"limit", "fault"},

	"limit/quota":           {"fault"},
	"limit/quota/quotatest": {"limit/quota", "fault"},

	"fetch":           {"market", "limit", "limit/quota", "fault"},
	"fetch/*":         {"market", "fault", "fetch/wire"},
	"fetch/wire":      {"market", "fault"},
	"fetch/simulator": {"market"},

	"fetch/wire/wiretest": {"market", "fault", "fetch/wire"},

	"resolvers/compiled": {"market", "limit", "relay"},

	"graph":       {"market", "auth", "audit", "limit", "bill", "jobs", "relay"},
	"resolvers":   {"resolvers/compiled", "graph", "loaders", "market", "auth", "limit", "audit", "bill", "jobs", "fault", "relay"},
	"web":         {"web/cork", "web/gecko", "web/openapi", "resolvers", "market", "auth", "limit", "audit", "fault"},
	"web/cork":    {},
	"web/gecko":   {},
	"web/openapi": {},

	"cmd/*":      {everything},
	"internal/*": {},
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath, Dir, Doc string
	GoFiles, Imports     []string
}

// name is the import path below the module's.
func (p pkg) name() string { return local(p.ImportPath) }

func local(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

func (p pkg) files() []string {
	files := make([]string, len(p.GoFiles))
	for i, f := range p.GoFiles {
		files[i] = filepath.Join(p.Dir, f)
	}
	return files
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", "./...")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var list []pkg
	for dec := json.NewDecoder(&stdout); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // not the directory of this test
			list = append(list, p)
		}
	}
	if len(list) < 5 {
		t.Fatalf("go list gives %d packages: the check would be empty", len(list))
	}
	return list
}

// TestArrows keeps imports going one way, so that a package can be read knowing only what is below it.
func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		allowed, ok := arrows[p.name()]
		if !ok {
			allowed, ok = arrows[path.Dir(p.name())+"/*"]
		}
		if !ok {
			t.Errorf("%s has no row in the table of arrows", p.name())
			continue
		}
		for _, imported := range p.Imports {
			switch name := local(imported); {
			case imported == "math/rand":
				t.Errorf("%s imports math/rand: there is math/rand/v2", p.name())
			case name == imported || name == "telemetry": // not ours, or free
			case strings.HasPrefix(name, "cmd/"):
				t.Errorf("%s imports %s: nobody may", p.name(), name)
			case !slices.Contains(allowed, name) && !slices.Contains(allowed, everything):
				t.Errorf("%s imports %s, which is none of %q", p.name(), name, allowed)
			}
		}
	}
}

// TestArrowsMakeNoCircle checks the table itself, whatever is imported today.
func TestArrowsMakeNoCircle(t *testing.T) {
	var walk func(name string, above []string)
	walk = func(name string, above []string) {
		if slices.Contains(above, name) {
			t.Fatalf("a circle: %q", append(above, name))
		}
		for _, next := range arrows[name] {
			walk(next, append(slices.Clone(above), name))
		}
	}
	for name := range arrows {
		walk(name, nil)
	}
}

// TestHouseRules keeps what can be seen in the syntax alone.
func TestHouseRules(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.name())
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.files() {
			if filepath.Base(name) == "models_gen.go" {
				t.Errorf("%s: gqlgen invented types: bind them in gqlgen.yml", name)
			}
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		for _, f := range faults(files) {
			t.Errorf("%s: %s", fset.Position(f.pos), f.what)
		}
	}
}

type finding struct {
	pos  token.Pos
	what string
}

// faults are the breaches of the house rules in a package's files.
func faults(files []*ast.File) []finding {
	var found []finding
	vars := packageVars(files)
	for _, file := range files {
		generated := ast.IsGenerated(file)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "init" && n.Recv == nil && !generated {
					found = append(found, finding{n.Pos(), "an init function: say it where it is needed"})
				}
			case *ast.CallExpr:
				if fn, ok := n.Fun.(*ast.Ident); ok && fn.Name == "panic" && mentions(n, "not implemented") {
					found = append(found, finding{n.Pos(), "a resolver without implementation"})
				}
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if n.Tok != token.DEFINE && !generated && assigned(left, vars) {
						found = append(found, finding{left.Pos(), "changes a package's variable"})
					}
				}
			case *ast.IncDecStmt:
				if !generated && assigned(n.X, vars) {
					found = append(found, finding{n.Pos(), "changes a package's variable"})
				}
			}
			return true
		})
	}
	return found
}

// globals are the variables that a package declares outside functions: by name, and by the declaration that the parser
// resolves a name to within a file.
type globals struct {
	names map[string]bool
	decls map[any]bool
}

func packageVars(files []*ast.File) globals {
	vars := globals{map[string]bool{}, map[any]bool{}}
	for _, file := range files {
		for _, d := range file.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, s := range gen.Specs {
				spec := s.(*ast.ValueSpec)
				vars.decls[spec] = true
				for _, name := range spec.Names {
					vars.names[name.Name] = name.Name != "_"
				}
			}
		}
	}
	return vars
}

// assigned tells whether an assignment's left side is one of the package's variables, or an element or field of one.
func assigned(left ast.Expr, vars globals) bool {
	for {
		switch e := left.(type) {
		case *ast.IndexExpr:
			left = e.X
		case *ast.SelectorExpr:
			left = e.X
		case *ast.ParenExpr:
			left = e.X
		case *ast.StarExpr:
			left = e.X
		case *ast.Ident:
			if e.Obj == nil { // of another file
				return vars.names[e.Name]
			}
			return vars.decls[e.Obj.Decl]
		default:
			return false
		}
	}
}

// TestHouseRulesFindBreaches checks the checks.
func TestHouseRulesFindBreaches(t *testing.T) {
	const other = "package p\n\nvar elsewhere, table = 1, map[int]int{}\n"
	for source, want := range map[string]int{
		"func init() {}":                                                        1,
		"type t int\n\nfunc (t) init() {}":                                      0,
		"func f() { elsewhere = 2 }":                                            1,
		"func f() { elsewhere := 2; elsewhere = 3 }":                            0,
		"func f(elsewhere int) { elsewhere++ }":                                 0,
		"func f() { table[1]++ }":                                               1,
		"func f() { table := table; _ = table }":                                0,
		"var here struct{ n int }\n\nfunc f() { here.n = 1 }":                   1,
		"var here int\n\nfunc f() { here += 1 }":                                1,
		"var here int\n\nfunc f() { var here int; here++; _ = here }":           0,
		"func f() { panic(fmt.Errorf(\"not implemented: F\")) }":                1,
		"func f() error { return errors.New(\"not implemented\") }":             0,
		"type t struct{ elsewhere int }\n\nfunc (x *t) f() { x.elsewhere = 1 }": 0,
	} {
		fset := token.NewFileSet()
		var files []*ast.File
		for name, text := range map[string]string{"a.go": "package p\n\n" + source + "\n", "b.go": other} {
			file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		if found := faults(files); len(found) != want {
			t.Errorf("%s: %d findings, want %d", source, len(found), want)
		}
	}
}

// mentions tells whether a text occurs in a string literal below a node.
func mentions(n ast.Node, text string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.Contains(lit.Value, text) {
			found = true
		}
		return !found
	})
	return found
}
