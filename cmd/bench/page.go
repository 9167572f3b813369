package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// curve is a sequence of samples, and how they came about.
type curve struct {
	Name     string    `json:"name"`
	Title    string    `json:"title"`
	XLabel   string    `json:"xLabel,omitempty"`
	Unit     string    `json:"unit,omitempty"` // what is counted on x, in the plural
	How      string    `json:"how"`
	Machine  string    `json:"machine"`
	Measured time.Time `json:"measured"`
	Quick    bool      `json:"quick,omitempty"` // not to be relied on
	Samples  []sample  `json:"samples"`
}

// What only some curves have.
const (
	ownMemoryShare = "memoryShare" // of look-ups that the gateway's memory answered, 0 to 1
	ownStoredShare = "storedShare" // of look-ups that neither memory nor Redis answered
	ownTable       = "tableMiB"    // with its index
	ownChartCalls  = "chartCalls"  // to the provider
	ownPriceCalls  = "priceCallsPerSecond"
	ownLine        = "logBytes" // of a request's line
	ownStoredLine  = "storedLogBytes"
	ownIdle        = "idleKiBPerConnection"
	ownActive      = "activeKiBPerConnection"
)

// page is all curves that have been measured.
type page struct {
	Curves []curve `json:"curves"`
}

const figuresFile = "growth.json"

// readPage reads what an earlier run has left; nothing is an empty page.
func readPage(dir string) (p page, err error) {
	text, err := os.ReadFile(filepath.Join(dir, figuresFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(text, &p)
}

// put replaces the curve of this name.
func (p *page) put(c curve) {
	p.Curves = slices.DeleteFunc(p.Curves, func(old curve) bool { return old.Name == c.Name })
	p.Curves = append(p.Curves, c)
	order := curveNames()
	slices.SortStableFunc(p.Curves, func(a, b curve) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
}

// write writes the figures, the pictures and the text.
func (p page) write(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", "\t")
	if err != nil {
		return err
	}
	files := map[string][]byte{figuresFile: append(text, '\n'), "growth.md": p.markdown()}
	for _, c := range p.Curves {
		if c.Name != wayName {
			files[c.Name+".svg"] = c.picture().svg()
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil { //nolint:gosec // documentation, for all to read
			return err
		}
	}
	return nil
}

func (c curve) x() []float64 { return figures(c.Samples, func(s sample) float64 { return s.X }) }

// picture has time on the left, and on the right memory, which stored rows take none of: there it is what the servers spend.
func (c curve) picture() picture {
	of := func(name string, figure func(sample) float64) line { return line{name, figures(c.Samples, figure)} }
	spent := panel{"ms for a request", []line{
		of("CPU of gateway", func(s sample) float64 { return s.CPU / 1000 }), of("p50", func(s sample) float64 { return s.P50 / 1000 }), of("p99", func(s sample) float64 { return s.P99 / 1000 }),
	}}
	second := panel{"MiB", []line{of("after the load", func(s sample) float64 { return s.Resident }), of("at its peak", func(s sample) float64 { return s.Peak })}}
	if c.Name == "rows" {
		second = panel{"ms for a request", []line{of("CPU of Postgres", func(s sample) float64 { return s.PostgresCPU / 1000 }), of("CPU of Redis", func(s sample) float64 { return s.RedisCPU / 1000 })}}
	}
	return picture{title: c.Title, x: c.XLabel, at: c.x(), panels: []panel{spent, second}}
}

// tableColumn is one of a table.
type tableColumn struct {
	title  string
	figure func(sample) float64
}

// columns are those that say something of this curve.
func (c curve) columns() []tableColumn {
	all := []tableColumn{
		{"CPU µs/request", func(s sample) float64 { return s.CPU }},
		{"requests/s", func(s sample) float64 { return s.Rate }},
		{"p50 ms", func(s sample) float64 { return s.P50 / 1000 }},
		{"p99 ms", func(s sample) float64 { return s.P99 / 1000 }},
		{"memory MiB", func(s sample) float64 { return s.Resident }},
		{"at its peak", func(s sample) float64 { return s.Peak }},
	}
	switch c.Name {
	case "assets", "points":
		all = append(all, tableColumn{"answer KiB", func(s sample) float64 { return s.Received / 1024 }})
	case "rows", "replicas", wayName:
		all = append(all, tableColumn{"Redis CPU µs", func(s sample) float64 { return s.RedisCPU }}, tableColumn{"its commands", func(s sample) float64 { return s.RedisCommands }})
	}
	switch c.Name {
	case "rows":
		all = append(all, tableColumn{"Postgres CPU µs", func(s sample) float64 { return s.PostgresCPU }})
	case wayName:
		all = append(all, tableColumn{"request bytes", func(s sample) float64 { return s.Sent }}, tableColumn{"answer bytes", func(s sample) float64 { return s.Received }})
	}
	for _, name := range ownNames(c.Samples) {
		all = append(all, tableColumn{titles[name], func(s sample) float64 { return s.Own[name] }})
	}
	return all
}

// cells is the table of a curve, its first row the head.
func (c curve) cells() [][]string {
	head := []string{c.XLabel}
	for _, column := range c.columns() {
		head = append(head, column.title)
	}
	rows := [][]string{head}
	for _, s := range c.Samples {
		row := []string{s.Label}
		if s.Label == "" {
			row[0] = grouped(s.X)
		}
		for _, column := range c.columns() {
			row = append(row, figure(column.figure(s)))
		}
		rows = append(rows, row)
	}
	return rows
}

var titles = map[string]string{
	ownMemoryShare: "from memory", ownStoredShare: "from Postgres", ownTable: "table MiB", ownChartCalls: "calls for charts",
	ownPriceCalls: "calls/s for prices", ownLine: "log bytes", ownStoredLine: "log bytes stored",
	ownIdle: "KiB/connection, idle", ownActive: "KiB/connection, in use",
}

func (c curve) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range c.cells() {
		for _, cell := range row {
			fmt.Fprint(w, cell, "\t")
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func (p page) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!-- Written by make growth. Do not edit. -->\n\n# How the cost grows\n\n")
	fmt.Fprintf(&b, "`make growth` measures these on one machine that the load shares with all servers. CPU is of the gateways, loaded as fast as they go; "+
		"latencies are at half of the rate that they reach so, and count from when a request was due. All axes are logarithmic.\n")
	for _, c := range p.Curves {
		fmt.Fprintf(&b, "\n## %s\n\n", c.Title)
		if c.Name == wayName {
			fmt.Fprint(&b, c.How+"\n\n")
			c.table(&b)
			fmt.Fprintf(&b, "\n%s", c.onPaper())
		} else {
			fmt.Fprintf(&b, "![%s](%s.svg)\n\n%s\n\n%s\n\n", c.Title, c.Name, c.shows(), c.How)
			c.table(&b)
		}
		fmt.Fprintf(&b, "\n%s: %s.", c.Measured.UTC().Format(time.DateOnly), c.Machine)
		if c.Quick {
			fmt.Fprint(&b, " A quick run, of which the figures are not to be relied on.")
		}
		fmt.Fprintln(&b)
	}
	return b.Bytes()
}

func (c curve) table(b *bytes.Buffer) {
	for i, row := range c.cells() {
		for _, cell := range row {
			fmt.Fprintf(b, "| %s ", cell)
		}
		fmt.Fprintln(b, "|")
		if i == 0 {
			for j := range row {
				if j == 0 && c.Name == wayName {
					fmt.Fprint(b, "|---")
					continue
				}
				fmt.Fprint(b, "|--:")
			}
			fmt.Fprintln(b, "|")
		}
	}
}
