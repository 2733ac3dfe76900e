package distill

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/models"
)

// Addresses become a text and the words of each part; what is no address is left out.
func TestAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.xml")
	write(t, path, `<AddressCollection>
  <AddressString><AddressNumber>12</AddressNumber> <StreetName>St.</StreetName> <StreetName>&amp;</StreetName>
   <StreetName>"Q"</StreetName><StreetNamePostType>Road</StreetNamePostType># <OccupancyIdentifier>1,</OccupancyIdentifier>, <PlaceName>(Kenai)</PlaceName></AddressString>
  <AddressString><NotAddress>Hello</NotAddress> <PlaceName>Rome</PlaceName></AddressString>
  <AddressString/>
  <AddressString><PlaceName>,</PlaceName></AddressString>
</AddressCollection>`)
	var report data.Report
	rows, err := readAddresses(path, &report)
	if err != nil || len(rows) != 1 || len(report.Out) != 1 || report.Out[0].Rows != 3 {
		t.Fatalf("%d rows, left out %v: %v", len(rows), report.Out, err)
	}
	if r := rows[0]; r.Text != `12 St. & "Q"Road# 1,, (Kenai)` || r.Line != 3 ||
		r.Answer != `{"AddressNumber":"12","StreetName":"St. \u0026 \"Q\"","StreetNamePostType":"Road","OccupancyIdentifier":"1","PlaceName":"Kenai"}` {
		t.Errorf("%+v", r)
	}
	for text, want := range map[string]string{
		"<Other></Other>": `begins with "Other"`, "<AddressCollection><AddressString><A><B>x</B></A></AddressString></AddressCollection>": `"B" stands within "A"`,
		"<AddressCollection><AddressString>": "a.xml:1:",
	} {
		write(t, path, text)
		if _, err := readAddresses(path, &report); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// Every data set of the catalogue has a reader, and every reader a data set.
func TestSources(t *testing.T) {
	for _, e := range models.DataCatalog() {
		if _, ok := sources[e.Name]; !ok {
			t.Errorf("data set %s has no reader", e.Name)
		}
	}
	for name, s := range sources {
		if _, err := models.LookupData(name); err != nil {
			t.Error(err)
		}
		for _, kind := range s.tasks {
			if _, ok := taskTypes[kind]; !ok {
				t.Errorf("source %s is for task type %q", name, kind)
			}
		}
	}
}
