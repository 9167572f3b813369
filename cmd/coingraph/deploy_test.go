package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

const deploy = "../../deploy"

// TestDeployNamesMetricsThatExist: a rule or a panel on a metric that was renamed would be silent for ever.
func TestDeployNamesMetricsThatExist(t *testing.T) {
	s := start(t, nil)
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		s.app.observed.metrics.Gatherer().(*prometheus.Registry).Describe(descriptions)
	}()
	known := make(map[string]bool)
	nameOf := regexp.MustCompile(`fqName: "([^"]+)"`)
	for d := range descriptions {
		known[nameOf.FindStringSubmatch(d.String())[1]] = true
	}
	named := regexp.MustCompile(`coingraph_[a-z0-9_]+`)
	found := 0
	for _, path := range []string{"prometheus/rules.yml", "prometheus/rules_test.yml", "grafana/dashboards/coingraph.json"} {
		text, err := os.ReadFile(filepath.Join(deploy, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			found++
			base := name
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if !known[name] && !known[base] {
				t.Errorf("%s names %s, which no metric is called", path, name)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d names were found", found)
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "grafana/dashboards/coingraph.json"))
	if err != nil {
		t.Fatal(err)
	}
	type target struct{ Expr string }
	var dashboard struct {
		UID, Title string
		Panels     []struct {
			ID          int
			Type, Title string
			Datasource  struct{ UID string }
			Targets     []target
			GridPos     struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(deploy, "grafana/provisioning/datasources/prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	cells := make(map[[2]int]string)
	for _, p := range dashboard.Panels {
		if ids[p.ID] {
			t.Errorf("%s has the id of another panel", p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && (len(p.Targets) == 0 || !strings.Contains(string(source), "uid: "+p.Datasource.UID+"\n")) {
			t.Errorf("%s has no expression, or another source than the one that is provisioned", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("%s lies over %s, or beyond the edge", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
	if dashboard.UID == "" || len(ids) < 20 {
		t.Errorf("%q has %d panels", dashboard.Title, len(ids))
	}
}
