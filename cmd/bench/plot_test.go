package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drawing is what is to be found in a picture.
type drawing struct {
	frames  [][4]float64 // left, top, right, bottom
	circles [][2]float64
	texts   []string
	width   float64
}

func drawingOf(t *testing.T, svg []byte) (d drawing) {
	t.Helper()
	number := func(e xml.StartElement, name string) float64 {
		i := slices.IndexFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == name })
		if i < 0 {
			t.Fatalf("<%s> without %s", e.Name.Local, name)
		}
		v, err := strconv.ParseFloat(e.Attr[i].Value, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for dec := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return d
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "svg":
				d.width = number(e, "width")
			case "script", "image", "style":
				t.Errorf("<%s> in a picture", e.Name.Local)
			case "circle":
				d.circles = append(d.circles, [2]float64{number(e, "cx"), number(e, "cy")})
			case "rect":
				if slices.Contains(e.Attr, xml.Attr{Name: xml.Name{Local: "class"}, Value: "frame"}) {
					x, y := number(e, "x"), number(e, "y")
					d.frames = append(d.frames, [4]float64{x, y, x + number(e, "width"), y + number(e, "height")})
				}
			}
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				d.texts = append(d.texts, text)
			}
		}
	}
}

func TestPicture(t *testing.T) {
	p := picture{
		title: "Points & <pixels>", x: "points asked", at: []float64{1, 30, 365, 87_600},
		panels: []panel{
			{"µs for a request", []line{{"CPU", []float64{55.5, 60, 0, 17_001}}, {"p99", []float64{900, math.NaN(), 2000, 2e6}}}},
			{"MiB", []line{{"after", []float64{50, 50, 50, 50}}}},
		},
	}
	d := drawingOf(t, p.svg())
	if len(d.frames) != 2 {
		t.Fatalf("%d frames", len(d.frames))
	}
	if want := 3 + 3 + 4; len(d.circles) != want { // but for 0 and NaN, which no logarithmic axis has
		t.Errorf("%d points, not %d", len(d.circles), want)
	}
	const pixel = 0.1
	for _, c := range d.circles {
		if !slices.ContainsFunc(d.frames, func(f [4]float64) bool {
			return c[0] >= f[0]-pixel && c[0] <= f[2]+pixel && c[1] >= f[1]-pixel && c[1] <= f[3]+pixel
		}) {
			t.Errorf("the point %v is in no frame of %v", c, d.frames)
		}
	}
	for _, f := range d.frames {
		if f[2] > d.width {
			t.Errorf("the frame %v ends beyond the picture, %v wide", f, d.width)
		}
	}
	for _, text := range []string{p.title, p.x, "µs for a request", "MiB", "CPU", "p99", "after", "10 k"} {
		if !slices.Contains(d.texts, text) {
			t.Errorf("%q is not in the picture: %q", text, d.texts)
		}
	}
	// The dearer, the higher: y counts from above.
	if first, last := d.circles[0], d.circles[2]; first[1] <= last[1] || first[0] >= last[0] {
		t.Errorf("55.5 is at %v, 17,001 at %v", first, last)
	}
}

func TestEmptyPicture(t *testing.T) {
	d := drawingOf(t, picture{title: "nothing", panels: []panel{{"µs", []line{{name: "CPU"}}}}}.svg())
	if len(d.frames) != 1 || len(d.circles) != 0 {
		t.Errorf("%d frames, %d points", len(d.frames), len(d.circles))
	}
}

func TestTicks(t *testing.T) {
	for name, c := range map[string]struct{ values, want []float64 }{
		"decades":             {values: []float64{12, 87_600}, want: []float64{10, 100, 1000, 10_000}},
		"more decades":        {values: []float64{10, 100_000}, want: []float64{10, 100, 1000, 10_000, 100_000}},
		"a decade and a half": {values: []float64{1, 30}, want: []float64{1, 3, 10, 30}},
		"a few":               {values: []float64{1, 3}, want: []float64{1, 2, 3}},
		"near to each other":  {values: []float64{52.7, 58}, want: []float64{50, 60}},
		"all the same":        {values: []float64{7, 7}, want: []float64{4, 5, 7, 10}},
		"below one":           {values: []float64{0.02, 0.5}, want: []float64{0.02, 0.05, 0.1, 0.2, 0.5}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScale(c.values, 0, 100)
			got := s.ticks()
			alike := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) })
			if diff := cmp.Diff(c.want, got, alike); diff != "" {
				t.Error(diff)
			}
			for _, v := range append(got, c.values...) {
				if at := s.at(v); at < -1e-6 || at > 100+1e-6 {
					t.Errorf("%v is drawn at %v", v, at)
				}
			}
		})
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0.05: "0.05", 1: "1", 300: "300", 1000: "1 k", 50_000: "50 k", 2e7: "20 M", 1e9: "1 G"} {
		if got := short(v); got != want {
			t.Errorf("%v is %q, not %q", v, got, want)
		}
	}
}
