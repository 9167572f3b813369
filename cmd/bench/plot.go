package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// picture is panels side by side over the same x. All axes are logarithmic.
type picture struct {
	title, x string // x is the label of the axis below
	at       []float64
	panels   []panel
}

// panel is one frame with its lines.
type panel struct {
	y     string // the label of the axis, with its unit
	lines []line
}

// line has a value for each x; values that are not above 0 are left out.
type line struct {
	name   string
	values []float64
}

// colours are told apart by most who do not see all of them (Okabe and Ito), and the dashes by the others.
var (
	colours = []string{"#0072b2", "#d55e00", "#00795a"}
	dashes  = []string{"", "7 3", "2 3"}
)

// The measures of a panel, in pixels: its frame, and what is around that.
const (
	frameWidth, frameHeight = 330.0, 250.0
	left, right             = 66.0, 18.0
	top, bottom             = 72.0, 56.0
	panelWidth              = left + frameWidth + right
	height                  = top + frameHeight + bottom
)

// svg draws the picture on a background of its own, which is as legible on a dark page.
func (p picture) svg() []byte {
	var b bytes.Buffer
	width := panelWidth * float64(len(p.panels))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%[1]s" height="%[2]s" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#24292f">`+"\n", number(width), number(height))
	fmt.Fprintf(&b, "<title>%s</title>\n", escaped(p.title))
	fmt.Fprintf(&b, `<rect width="%s" height="%s" rx="6" fill="#fbfbfa" stroke="#d0d7de"/>`+"\n", number(width), number(height))
	fmt.Fprintf(&b, `<text x="%s" y="26" font-size="15" font-weight="600">%s</text>`+"\n", number(left), escaped(p.title))
	for i, panel := range p.panels {
		panel.draw(&b, panelWidth*float64(i)+left, p.x, p.at)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// draw draws the panel, whose frame begins at x0.
func (p panel) draw(b *bytes.Buffer, x0 float64, xLabel string, at []float64) {
	var values []float64
	for _, l := range p.lines {
		values = append(values, l.values...)
	}
	x, y := newScale(at, x0, x0+frameWidth), newScale(values, top+frameHeight, top)

	fmt.Fprintf(b, `<g stroke="#e4e7ea">`)
	for _, t := range x.ticks() {
		fmt.Fprintf(b, `<line x1="%s" y1="%s" x2="%[1]s" y2="%s"/>`, number(x.at(t)), number(top), number(top+frameHeight))
	}
	for _, t := range y.ticks() {
		fmt.Fprintf(b, `<line x1="%s" y1="%s" x2="%s" y2="%[2]s"/>`, number(x0), number(y.at(t)), number(x0+frameWidth))
	}
	b.WriteString("</g>\n")
	fmt.Fprintf(b, `<rect class="frame" x="%s" y="%s" width="%s" height="%s" fill="none" stroke="#8c959f"/>`+"\n", number(x0), number(top), number(frameWidth), number(frameHeight))
	for _, t := range x.ticks() {
		fmt.Fprintf(b, `<text x="%s" y="%s" text-anchor="middle">%s</text>`+"\n", number(x.at(t)), number(top+frameHeight+18), short(t))
	}
	for _, t := range y.ticks() {
		fmt.Fprintf(b, `<text x="%s" y="%s" text-anchor="end">%s</text>`+"\n", number(x0-7), number(y.at(t)+4), short(t))
	}
	fmt.Fprintf(b, `<text x="%s" y="%s" text-anchor="middle">%s</text>`+"\n", number(x0+frameWidth/2), number(top+frameHeight+42), escaped(xLabel))
	fmt.Fprintf(b, `<text transform="translate(%s %s) rotate(-90)" text-anchor="middle">%s</text>`+"\n", number(x0-48), number(top+frameHeight/2), escaped(p.y))

	for i, l := range p.lines {
		colour, dash := colours[i%len(colours)], dashes[i%len(dashes)]
		var path []string
		var dots strings.Builder
		for j, v := range l.values {
			if !(v > 0) || !(at[j] > 0) {
				continue
			}
			px, py := number(x.at(at[j])), number(y.at(v))
			path = append(path, px+","+py)
			fmt.Fprintf(&dots, `<circle cx="%s" cy="%s" r="3" fill="%s"/>`, px, py, colour)
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>%s`+"\n", strings.Join(path, " "), colour, dash, &dots)
		const step = 128.0 // from one name in the legend to the next
		lx := x0 + step*float64(i)
		fmt.Fprintf(b, `<line x1="%s" y1="50" x2="%s" y2="50" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`, number(lx), number(lx+22), colour, dash)
		fmt.Fprintf(b, `<text x="%s" y="54">%s</text>`+"\n", number(lx+27), escaped(l.name))
	}
}

// scale is a logarithmic axis: what is at lo is drawn at begin, what is at hi at end.
type scale struct{ lo, hi, begin, end float64 }

// newScale has room for all values above 0; it ends at round numbers.
func newScale(values []float64, begin, end float64) scale {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return !(v > 0) || math.IsInf(v, 1) })
	if len(values) == 0 {
		return scale{1, 10, begin, end}
	}
	s := scale{roundDown(slices.Min(values)), roundUp(slices.Max(values)), begin, end}
	if s.lo == s.hi {
		s.lo, s.hi = s.lo/2, s.hi*2
	}
	return s
}

func (s scale) at(v float64) float64 {
	return s.begin + (s.end-s.begin)*math.Log(v/s.lo)/math.Log(s.hi/s.lo)
}

// ticks are round numbers of the axis, ascending: few enough to be read.
func (s scale) ticks() []float64 {
	const few = 4
	digits := [][]float64{{1}, {1, 3}, {1, 2, 5}, {1, 2, 3, 4, 5, 7}, {1, 2, 3, 4, 5, 6, 7, 8, 9}} // the ends are among the last
	var ticks []float64
	for _, d := range digits {
		if ticks = s.ticksOf(d); len(ticks) >= few {
			break
		}
	}
	return ticks
}

func (s scale) ticksOf(digits []float64) (ticks []float64) {
	const rounding = 1 + 1e-9
	for decade := math.Floor(math.Log10(s.lo)); decade <= math.Ceil(math.Log10(s.hi)); decade++ {
		for _, d := range digits {
			if t := d * math.Pow(10, decade); t*rounding >= s.lo && t <= s.hi*rounding {
				ticks = append(ticks, t)
			}
		}
	}
	return ticks
}

// roundDown is the largest number of one digit that is not above v.
func roundDown(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	return math.Floor(v/unit*(1+1e-12)) * unit
}

// roundUp is the smallest number of one digit that is not below v.
func roundUp(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	return math.Ceil(v/unit*(1-1e-12)) * unit
}

// short writes a number for an axis: 0.5, 200, 50 k, 20 M.
func short(v float64) string {
	unit := ""
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= u.size*(1-1e-9) {
			v, unit = v/u.size, u.name
			break
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + unit
}

// number writes a coordinate.
func number(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes all
	return b.String()
}
