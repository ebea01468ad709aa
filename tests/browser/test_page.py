"""The page in a browser, clicked through: `make test-report` (root, Debian: installs Chromium where it is missing)."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_page
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from glioma.report import view3d

PACKAGES = ("chromium", "chromium-driver")


def installed() -> None:
    """Chromium and its driver, from the distribution's packages where they are not there."""
    if shutil.which("chromium") and shutil.which("chromedriver"):
        return
    if not shutil.which("apt-get"):
        sys.exit(f"Error: {' and '.join(PACKAGES)} are missing, and so is apt-get; install them by other means")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], check=True)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    installed()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, tmp_path):
    path: Path = small_page.write(tmp_path)
    browser.get(path.as_uri())
    WebDriverWait(browser, 20).until(lambda it: it.execute_script("return document.documentElement.dataset.ready"))
    yield browser
    assert browser.get_log("browser") == []


def picture(page) -> str:
    return page.execute_script("return document.getElementById('slice').toDataURL()")


def changed(page, act) -> bool:
    """Whether the slice looks otherwise after `act`."""
    before = picture(page)
    act()
    try:
        WebDriverWait(page, 3).until(lambda it: picture(it) != before)
    except Exception:
        return False
    return True


def patients(page):
    return page.find_elements(By.CSS_SELECTOR, "#list tr[data-patient]")


def test_the_first_screen_warns_and_answers(page):
    banner = page.find_element(By.CLASS_NAME, "banner")
    assert "Phantom data." in banner.text and "Not for clinical use." in banner.text
    verdicts = [each.text for each in page.find_elements(By.CLASS_NAME, "verdict")]
    assert len(verdicts) == 2 and all("is better than" in each for each in verdicts)
    for width, height in ((1400, 1000), (700, 500)):
        page.set_window_size(width, height)
        page.execute_script("window.scrollTo(0, 1e6)")
        box = banner.rect
        top = page.execute_script("return arguments[0].getBoundingClientRect().top", banner)
        assert top == 0 and box["height"] > 0
    page.set_window_size(1400, 1000)
    assert len(page.find_elements(By.CSS_SELECTOR, ".forest circle")) == 6


def test_every_patient_slice_and_choice(page):
    for number in range(len(patients(page))):
        assert number == 0 or changed(page, lambda number=number: patients(page)[number].click())
        names = [button.text for button in page.find_elements(By.CSS_SELECTOR, "#sequences button")]
        for name in names[1:]:
            find = f"//span[@id='sequences']/button[text()='{name}']"
            assert changed(page, lambda find=find: page.find_element(By.XPATH, find).click()), name
    body = page.find_element(By.TAG_NAME, "body")
    assert changed(page, lambda: body.send_keys(Keys.ARROW_RIGHT))
    assert changed(page, lambda: body.send_keys(Keys.ARROW_LEFT))
    scroll = "document.getElementById('slice').dispatchEvent(new WheelEvent('wheel', {deltaY: 1, cancelable: true}))"
    assert changed(page, lambda: page.execute_script(scroll))
    assert changed(page, lambda: page.find_element(By.ID, "strip").click())
    for name in ("truth", "cnn"):
        page.execute_script("document.querySelector('.browser').scrollIntoView({block: 'start'})")
        assert changed(page, lambda name=name: page.find_element(By.ID, name).click()), name


def test_what_a_model_said_is_shown_as_it_is(page):
    raw = page.find_element(By.CSS_SELECTOR, "#drew .raw").text
    assert raw.startswith("</script><img src=x onerror=alert(1)>&amp;")
    assert "Dice with the true mask of this slice: 0.50" in page.find_element(By.ID, "drew").text
    assert "✗ vlm-tuned: LGG" in page.find_element(By.ID, "decided").text
    assert not page.find_elements(By.CSS_SELECTOR, "img[src=x]")


def test_what_a_study_does_not_have_is_not_offered(page):
    """Here networks and runs that label; beside them all that is left still works."""

    def offered() -> list[bool]:
        return [each.is_displayed() for each in page.find_elements(By.CLASS_NAME, "offered")]

    assert offered() == [True, True, True] and "green: CNN" in page.find_element(By.ID, "where").text
    page.execute_script(
        "for (const each of DATA.patients) for (const scan of Object.values(each.scans || {})) scan.masks = {};"
        "for (const [name, run] of Object.entries(DATA.runs)) if (run.kind === 'labelled') delete DATA.runs[name];"
        "return choose(1)"
    )
    assert offered() == [False, True, False]
    where = page.find_element(By.ID, "where").text
    assert "blue: truth" in where and "green" not in where and "ticks" not in where
    assert changed(page, lambda: page.find_element(By.ID, "truth").click())


def test_patients_beside_the_page_are_loaded_when_they_are_chosen(browser, tmp_path):
    browser.get(small_page.write(tmp_path, files=True).as_uri())
    WebDriverWait(browser, 20).until(lambda it: it.execute_script("return document.documentElement.dataset.ready"))
    assert len(patients(browser)) == 6
    assert changed(browser, lambda: patients(browser)[4].click())
    assert browser.find_element(By.CSS_SELECTOR, "#list tr.on").text.startswith("p04")
    assert browser.find_element(By.CSS_SELECTOR, "#drew .raw").text.startswith("</script><img")
    assert not changed(browser, lambda: patients(browser)[5].click())
    assert "patients/p05.js is not there" in browser.find_element(By.ID, "where").text
    (said,) = browser.get_log("browser")
    assert "p05.js" in said["message"] and "ERR_FILE_NOT_FOUND" in said["message"]


def test_a_methods_name_leads_to_its_patients(page):
    """From a card to the patients that it grades wrongly, from a table to what it drew."""
    names = page.find_elements(By.CSS_SELECTOR, "svg .leads")
    assert [each.text for each in names] and all(each.text in small_page.METHODS for each in names)
    tuned = next(each for each in names if each.text == "vlm-tuned")
    tuned.click()
    chosen = Select(page.find_element(By.ID, "filter")).first_selected_option
    assert chosen.text == "graded wrongly by vlm-tuned"
    shown = [each.text for each in patients(page)]
    assert 0 < len(shown) < 6
    top = page.execute_script("return document.getElementById('patients').getBoundingClientRect().top")
    assert abs(top) < 250, "and the page moves there"
    decided = page.find_element(By.ID, "decided").text
    assert "✗ vlm-tuned" in decided
    page.execute_script("document.querySelector('td.leads').closest('details').open = true")
    cell = page.find_element(By.CSS_SELECTOR, "td.leads")
    page.execute_script("arguments[0].click()", cell)
    assert page.find_element(By.ID, "drawn").get_property("value") == cell.get_attribute("data-run")


@pytest.mark.parametrize(("choice", "left"), [("", 6), ("HGG", 3), ("LGG", 3), ("wrong", 6), ("disagree", 6)])
def test_filters_of_patients(page, choice, left):
    Select(page.find_element(By.ID, "filter")).select_by_value(choice)
    assert len(patients(page)) == left


def test_every_section_opens_and_tables_sort_and_filter(page):
    for link in page.find_elements(By.CSS_SELECTOR, "nav a"):
        link.click()
        target = page.find_element(By.ID, link.get_attribute("href").partition("#")[2])
        assert target.is_displayed()
    for each in page.find_elements(By.CSS_SELECTOR, "details"):
        page.execute_script("arguments[0].open = true", each)
    image = page.find_element(By.CSS_SELECTOR, "#figures img")
    page.execute_script("arguments[0].scrollIntoView()", image)
    WebDriverWait(page, 5).until(lambda _: image.get_property("naturalWidth") == 1500)
    cells = (
        "return [...document.querySelectorAll('#tables tbody tr:not([hidden])')].map(row => row.cells[1].textContent)"
    )
    assert page.execute_script(cells) == ["1", "2"]
    button = page.find_elements(By.CSS_SELECTOR, "#tables th button")[1]
    for _ in range(2):
        page.execute_script("arguments[0].click()", button)
    assert page.execute_script(cells) == ["2", "1"]
    box = page.find_element(By.CSS_SELECTOR, "#tables input[type=search]")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    box.send_keys("onerror")
    assert page.execute_script(cells) == ["2"]


def test_a_patient_turns_in_three_dimensions(browser, tmp_path):
    """NiiVue comes from npm's registry; a browser without a GPU draws by software."""
    grid = np.indices((16, 24, 24)) - np.array([8, 12, 12]).reshape(3, 1, 1, 1)
    head, tumour, other = ((grid**2).sum(axis=0) < radius**2 for radius in (8, 4, 3))
    geometry = {"scan_affine": np.eye(4).tolist(), "to_voxel": np.eye(4)[[2, 1, 0, 3]].tolist()}
    view3d.fetch(tmp_path / "niivue.js")
    scans = {"flair": np.uint8(90 * head + 90 * tumour), "t1": np.uint8(140 * head)}
    masks = {"truth": tumour, "unet": other, "box": other}
    view3d.write(tmp_path / "p.html", tmp_path / "niivue.js", "p1", scans, masks, geometry, "Phantom patient.")
    browser.get((tmp_path / "p.html").as_uri())
    WebDriverWait(browser, 120).until(lambda it: it.execute_script("return document.documentElement.dataset.ready"))
    assert browser.execute_script("return document.documentElement.dataset.ready") == "5"
    assert "Not for clinical use" in browser.find_element(By.CLASS_NAME, "banner").text

    def drawn() -> str:
        return browser.find_element(By.ID, "canvas").screenshot_as_base64

    seen = [drawn()]
    browser.find_elements(By.CLASS_NAME, "mask")[0].click()
    for name, value in (("sequence", "t1"), ("view", "4"), ("view", "0")):
        seen.append(drawn())
        Select(browser.find_element(By.ID, name)).select_by_value(value)
    seen.append(drawn())
    assert len(set(seen)) == len(seen)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
