package data

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/abadojack/whatlanggo"
)

// sentences are the same one in languages that data is often in.
var sentences = map[string]string{
	"en": "The heating in my flat has not been working since Monday, and nobody from the council has called me back yet.",
	"de": "Die Heizung in meiner Wohnung funktioniert seit Montag nicht mehr, und bisher hat mich niemand vom Amt zurückgerufen.",
	"fr": "Le chauffage de mon appartement ne marche plus depuis lundi, et personne de la mairie ne m'a encore rappelé.",
	"es": "La calefacción de mi piso no funciona desde el lunes, y todavía nadie del ayuntamiento me ha devuelto la llamada.",
	"pt": "O aquecimento do meu apartamento não funciona desde segunda-feira, e ainda ninguém da câmara me ligou de volta.",
	"it": "Il riscaldamento del mio appartamento non funziona da lunedì, e nessuno del comune mi ha ancora richiamato.",
	"nl": "De verwarming in mijn woning werkt sinds maandag niet meer, en niemand van de gemeente heeft mij nog teruggebeld.",
	"sv": "Värmen i min lägenhet har inte fungerat sedan i måndags, och ingen från kommunen har ringt tillbaka till mig ännu.",
	"da": "Varmen i min lejlighed har ikke virket siden mandag, og der er endnu ingen fra kommunen, der har ringet tilbage til mig.",
	"pl": "Ogrzewanie w moim mieszkaniu nie działa od poniedziałku, a nikt z urzędu jeszcze do mnie nie oddzwonił.",
	"cs": "Topení v mém bytě nefunguje od pondělí a nikdo z úřadu mi ještě nezavolal zpátky, i když jsem o to prosil.",
	"hu": "A lakásomban hétfő óta nem működik a fűtés, és az önkormányzattól még senki sem hívott vissza.",
	"fi": "Asuntoni lämmitys ei ole toiminut maanantain jälkeen, eikä kukaan kaupungilta ole vielä soittanut minulle takaisin.",
	"tr": "Dairemdeki kalorifer pazartesiden beri çalışmıyor ve belediyeden henüz kimse beni geri aramadı.",
	"vi": "Hệ thống sưởi trong căn hộ của tôi không hoạt động từ thứ hai, và chưa có ai ở hội đồng gọi lại cho tôi.",
	"ru": "Отопление в моей квартире не работает с понедельника, и никто из администрации мне ещё не перезвонил.",
	"uk": "Опалення в моїй квартирі не працює з понеділка, і ніхто з міської ради мені ще не передзвонив.",
	"el": "Η θέρμανση στο διαμέρισμά μου δεν λειτουργεί από τη Δευτέρα και κανείς δεν με έχει καλέσει ακόμα.",
	"ar": "التدفئة في شقتي لا تعمل منذ يوم الاثنين ولم يتصل بي أحد من البلدية حتى الآن.",
	"he": "החימום בדירה שלי לא עובד מאז יום שני, ואף אחד מהעירייה עוד לא חזר אליי.",
	"hi": "मेरे घर का हीटर सोमवार से काम नहीं कर रहा है और नगर पालिका से अभी तक किसी ने फोन नहीं किया है।",
	"zh": "我公寓的暖气从星期一开始就坏了，到现在市政府还没有人给我回电话。",
	"ja": "月曜日からアパートの暖房が動かないのに、市役所からまだ誰も電話をかけ直してくれません。",
	"ko": "월요일부터 아파트 난방이 되지 않는데 시청에서 아직 아무도 다시 전화해 주지 않았습니다.",
	"th": "เครื่องทำความร้อนในห้องของฉันไม่ทำงานตั้งแต่วันจันทร์ และยังไม่มีใครจากสำนักงานโทรกลับมา",
}

// A sentence stays where its language is wanted, alone or among others, and nowhere else.
func TestLanguages(t *testing.T) {
	for is, text := range sentences {
		for _, wanted := range sortedKeys(map[string]int{"en": 0, "de": 0, "fr": 0, "es": 0, "pt": 0, "it": 0, "nl": 0, "sv": 0, "pl": 0, "cs": 0, "fi": 0, "tr": 0, "ru": 0, "uk": 0, "el": 0, "ar": 0, "zh": 0, "ja": 0, "ko": 0}) {
			if out := newWanted([]string{wanted}).other(text); out != (wanted != is) {
				t.Errorf("a text in %s, wanted %s: left out %v", is, wanted, out)
			}
		}
		if newWanted([]string{"ka", is, "zu"}).other(text) {
			t.Errorf("a text in %s is left out where that is one of three", is)
		}
	}
}

// What cannot be told stays: short texts, no words, mixtures, languages that are written alike. Other letters are told from a word on.
func TestLanguageUnsure(t *testing.T) {
	for _, c := range []struct {
		text, wanted string
		out          bool
	}{
		{"", "de", false}, {"ok", "de", false}, {"Thanks a lot", "de", false}, {"12345 67.8 :-)", "de", false}, {"🙂🙂🙂🙂", "zh", false},
		{"https://example.org/the/way/to/the/page?that=is&not=in-any-language reply@example.org", "de", false},
		{"Приве", "en", true}, {"Привет", "bg", false}, {"東京都庁", "ja", false}, {"東京都庁", "en", true}, {"π", "en", false},
		{"Der Fehler lautet: " + sentences["ru"], "de", true},
		{"Der Fehler lautet wie folgt, und ich verstehe davon kein einziges Wort: " + sentences["ru"], "de", false},
		{sentences["ja"] + " The heating of my flat is out of order since", "en", false},
		{sentences["da"], "no", false}, {sentences["da"], "nb", false}, {sentences["da"], "sv", true},
		{"Grijanje u mom stanu ne radi od ponedjeljka, a iz općine me još nitko nije nazvao.", "sr", false},
		{"Грејање у мом стану не ради од понедељка, а из општине ме још нико није позвао.", "hr", true},
		{"Ջեռուցումը չի աշխատում", "en", true}, // in no language that is known here
		{strings.Repeat(sentences["fr"]+" ", 1e5), "en", true},
		{strings.Repeat("a", 1<<20), "en", false},
	} {
		if out := newWanted([]string{c.wanted}).other(c.text); out != c.out {
			t.Errorf("%.60q, wanted %s: left out %v", c.text, c.wanted, out)
		}
	}
	for _, code := range Languages() {
		if w := newWanted([]string{code}); len(w.rivals) == 0 || len(w.scripts) == 0 {
			t.Errorf("%s can be wanted, and no text is in it", code)
		}
	}
	for l, name := range whatlanggo.Langs {
		if code := codeOf(l); code != "" && !slices.Contains(Languages(), code) {
			t.Errorf("%s (%s) cannot be wanted", name, code)
		}
	}
}

// Texts decide, in every split, not labels or answers; what is left out is counted.
func TestTidyLanguage(t *testing.T) {
	line := 0
	row := func(id, text, answer string) Row {
		line++
		return Row{ID: id, Text: text, Answer: answer, File: "some/rows.csv", Line: line}
	}
	s := &Set{Train: []Row{row("a", sentences["en"], sentences["de"]), row("b", sentences["de"], sentences["en"]), row("c", "ja", ""), row("d", sentences["fr"], "")},
		Valid: []Row{row("e", sentences["ru"], "")}, Test: []Row{row("f", sentences["en"]+" Bye.", ""), row("g", sentences["zh"], "")}}
	any := *s
	s.Tidy(TidyOptions{Labels: twoLabels, Language: []string{"en", "fr"}, Duplicates: "keep", Mask: []string{"email"}})
	out := "in another language than en, fr"
	if got := fmt.Sprintf("%s, %v %v", &s.Report, s.Report.Out[2].IDs, s.Report.Out[2].Places); got != fmt.Sprintf("1 test rows left out (%s); 1 valid rows left out (%[1]s); 1 train rows left out (%[1]s), [b] [rows.csv:2]", out) {
		t.Errorf("%s", got)
	}
	if len(s.Train) != 3 || len(s.Valid) != 0 || len(s.Test) != 1 {
		t.Errorf("%d train, %d valid, %d test rows", len(s.Train), len(s.Valid), len(s.Test))
	}
	if any.Tidy(TidyOptions{Labels: twoLabels, Duplicates: "keep"}); len(any.Train)+len(any.Valid)+len(any.Test) != 7 {
		t.Errorf("without languages rows are left out: %s", &any.Report)
	}
}
