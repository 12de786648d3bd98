def test_list_names_everything(hizumi):
    outcome = hizumi("list", "--json", "-")
    assert outcome.code == 0
    methods = {(method["kind"], method["name"]): method for method in outcome.json["methods"]}
    assert {("detector", "ganomaly"), ("detector", "gaussian_features"), ("model", "vae")} <= methods.keys()
    for method in methods.values():
        assert {"name", "kind", "family", "paper", "localises", "needs"} <= method.keys()
    assert methods["detector", "ganomaly"]["localises"] is True


def test_list_for_people(hizumi, tmp_path):
    outcome = hizumi("list", "--json", tmp_path / "methods.json")
    assert outcome.code == 0
    assert "one_class_svm" in outcome.out
    assert (tmp_path / "methods.json").exists()
